"""A tissue in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    import napari
    from anndata import AnnData

    from napari_tissue_dynamics.data.tissue import Tissue


def view(
    data: AnnData | Tissue | str | os.PathLike[str], viewer: napari.viewer.Viewer | None = None, **options: Any
) -> napari.viewer.Viewer:
    """Open a tissue in napari with the docks, as if it had been loaded there.

    Velocities, fates and betas that the AnnData holds are shown and need no new fit. In a script the window stays open
    when ``napari.run()`` follows; in a notebook it opens beside the page, and
    ``napari.utils.nbscreenshot(viewer)`` puts a picture of it into the page. Results of the docks are saved with their
    button *Save results as …*, beside all that the AnnData holds; ``data`` itself is not changed.

    Parameters
    ----------
    data
        An AnnData, a :class:`Tissue` or the file of one.
    viewer
        The viewer to open it in, replacing what is loaded there; a new viewer if None.
    options
        Which parts are read, and in which role, fields of :class:`ReadOptions`, as for :func:`read`.

    Returns
    -------
    The viewer.

    Raises
    ------
    DataError
        If the tissue cannot be used, or there is no such option.
    FitError
        If something is running in the viewer.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> viewer = td.view(td.simulate(n_cells=200, n_genes=40))
    >>> [layer.name for layer in viewer.layers][-1]
    'cells'
    """
    from napari_tissue_dynamics.api.inputs import opened, with_given
    from napari_tissue_dynamics.data.io.read import ReadOptions
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.widgets.canvas.view_tissue import view_tissue

    (chosen,) = with_given(options, ReadOptions())
    if isinstance(data, Tissue):
        opened(data, chosen)  # a tissue takes no options
    return view_tissue(data, viewer, None if chosen == ReadOptions() else chosen)
