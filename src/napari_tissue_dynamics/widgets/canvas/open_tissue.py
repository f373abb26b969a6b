"""From a file or a sample to the tissue of a workspace, and into its viewer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.layers.layer_sets import tissue_layers
from napari_tissue_dynamics.progress import Progress, part_of
from napari_tissue_dynamics.samples import SAMPLE, sample
from napari_tissue_dynamics.widgets.canvas import viewer as _viewer
from napari_tissue_dynamics.widgets.canvas.legend_dock import open_legend
from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari

    from napari_tissue_dynamics.data.io import ReadOptions
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.widgets.state.workspace import Workspace


def opening(source: Source, options: ReadOptions | None = None) -> Steps:
    """Return the steps that read a file or an AnnData, or simulate the sample, to an :class:`OpenedTissue`."""
    if isinstance(source, str):
        return _simulating if source == SAMPLE else _reading(Path(source).expanduser(), options)
    return _reading(source, options)


def show_tissue(viewer: napari.viewer.Viewer, workspace: Workspace, opened: OpenedTissue) -> None:
    """Make a tissue that of the workspace and draw it in place of the one before."""
    layers = tissue_layers(opened.tissue)
    names = {options["name"] for _, options, _ in layers}
    another = opened.path is None or opened.path != workspace.path
    covered = _viewer.shows_result(viewer, workspace)
    _viewer.remove(viewer, workspace, lambda key: another or key not in names)
    workspace.set_tissue(opened)
    _viewer.adopt(viewer, workspace)
    for data in layers:
        layer = _viewer.show(viewer, workspace, data)
        layer.visible = layer.visible or (covered and data[2] == "points")
    _viewer.show_scale_bar(viewer, visible=has_scale(opened.tissue))
    viewer.reset_view()
    _viewer.come_near(viewer, opened.tissue.positions)
    open_legend(viewer)


def has_scale(tissue: Tissue) -> bool:
    """Return whether a length in the tissue means something: micrometers, or pixels of an image."""
    return tissue.has_tissue and (tissue.unit == "um" or bool(tissue.histology))


def shown_source(viewer: napari.viewer.Viewer) -> str:
    """Return the source of layers that our reader or sample made, empty when there are none."""
    sources = [str(about.get("source", "")) for _, about in _viewer.our_layers(viewer)]
    return next((source for source in sources if source == SAMPLE or Path(source).is_file()), "")


def _reading(source: Source, options: ReadOptions | None) -> Steps:
    def steps(stop: StopToken) -> Generator[Progress, None, OpenedTissue]:
        from napari_tissue_dynamics.analysis.image.alignment import image_check
        from napari_tissue_dynamics.analysis.readiness.readiness import readiness_steps
        from napari_tissue_dynamics.data.io import ReadOptions, from_anndata, read_h5ad
        from napari_tissue_dynamics.data.io.file_contents import contents

        yield Progress(f"Reading {source.name if isinstance(source, Path) else 'the AnnData'}", 0, 1, 0.0)
        load_units()
        found = contents(source)
        read: Any = read_h5ad if isinstance(source, Path) else from_anndata
        tissue = read(source, options or ReadOptions())
        if tissue.histology:
            yield Progress("Finding the tissue in the image", 8, 10, 0.8)
        images = image_check(tissue, source)
        report = yield from part_of(readiness_steps(source, options or ReadOptions(), stop, tissue=tissue), 0.9, 1)
        return OpenedTissue(tissue, source, found, images, report, options)

    return steps


def load_units() -> None:
    """Let napari build its tables of units; the first layer would make the window wait."""
    from napari.utils.transforms import Affine

    Affine(ndim=2, units=("um", "um"))


def _simulating(stop: StopToken) -> Generator[Progress, None, OpenedTissue]:
    from napari_tissue_dynamics.analysis.image.alignment import image_check
    from napari_tissue_dynamics.analysis.readiness.readiness import tissue_readiness_steps

    yield Progress("Simulating a tissue", 0, 1, 0.0)
    tissue = sample()
    report = yield from part_of(tissue_readiness_steps(tissue, stop), 0.5, 1)
    return OpenedTissue(tissue, None, None, image_check(tissue), report)
