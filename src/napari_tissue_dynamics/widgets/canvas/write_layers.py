"""Writes the tissue behind layers, with its results, as a spatial .h5ad: what *File > Save layers* calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.samples import SAMPLE, sample
from napari_tissue_dynamics.widgets.canvas.viewer import source_of
from napari_tissue_dynamics.widgets.state.workspace import Workspace, workspaces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def write_tissue(path: str, layers: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Write the tissue that layers show, with all its results.

    Parameters
    ----------
    path
        The .h5ad file to write; the file of the tissue itself is refused.
    layers
        Layer tuples. One that shows the tissue is enough: results are those of the docks, not of the layers.

    Returns
    -------
    The path.

    Raises
    ------
    DataError
        If no layer shows a tissue, or they show several, or the file cannot be written.
    """
    marks = [options.get("metadata", {}).get(PLUGIN) for _, options, _ in layers]
    found = {_identity(mark): mark for mark in marks if mark}
    if len(found) != 1:
        raise DataError(
            f"The layers show {len(found) or 'no'} tissues; those of one were expected. "
            "Select layers of one tissue, or choose another format."
        )
    _save(Path(path), next(iter(found.values())))
    return [path]


def _identity(mark: Mapping[str, Any]) -> str:
    """Return what layers of one tissue have in common, also those that were there before the docks took it over."""
    workspace = _workspace(mark)
    return str(mark.get("source", "")) if workspace is None else workspace.token


def _workspace(mark: Mapping[str, Any]) -> Workspace | None:
    loaded = [each for each in workspaces() if each.tissue is not None]
    own = (each for each in loaded if each.token == mark.get("workspace"))
    same = (each for each in loaded if "workspace" not in mark and source_of(each) == mark.get("source"))
    return next(iter((*own, *same)), None)


def _save(path: Path, mark: Mapping[str, Any]) -> None:
    """Save the tissue of a workspace, or that of layers which no dock has taken over."""
    from napari_tissue_dynamics.data.io import read_h5ad
    from napari_tissue_dynamics.workflow import save

    workspace, source = _workspace(mark), str(mark.get("source", ""))
    if workspace is not None:
        workspace.saver()(path)
    elif source == SAMPLE:
        save(path, sample())
    else:
        save(path, read_h5ad(source), source=Path(source))
