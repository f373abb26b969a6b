"""Values of the cells of a workspace, for the catalog of colorings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data import keys
from napari_tissue_dynamics.layers.colorable import Sources
from napari_tissue_dynamics.layers.coloring import Values
from napari_tissue_dynamics.layers.fates import fate_colors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Labels
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

NOT_SHOWN = frozenset({keys.CONFIDENCE, keys.NEIGHBOR_CORRELATION, *keys.EARLIER_VERSIONS})
"""Columns of files that are high for smooth noise as well, or a result of the velocity if that is supported."""


def sources_of(workspace: Workspace) -> Sources | None:
    """Return where values of the cells of a workspace come from, None without a tissue."""
    if workspace.tissue is None:
        return None
    velocity, fate = workspace.velocity, workspace.fate
    return Sources(
        workspace.tissue,
        workspace.source,
        tuple(name for name in workspace.contents.obs if name not in NOT_SHOWN) if workspace.contents else (),
        None if velocity is None else velocity.field,
        workspace.regulation,
        {
            **({} if velocity is None or velocity.confidence is None else _confidence(velocity.confidence)),
            **({} if fate is None else _fates(fate, workspace.tissue.cell_types)),
        },
    )


def _confidence(cosine: NDArray[np.float32]) -> dict[str, Labels | Values]:
    note = "cosine with the mean arrow of the nearest cells: 1 the same direction, -1 the opposite one"
    return {"velocity confidence": Values(cosine, limits=(-1.0, 1.0), note=note)}


def _fates(fate: FateResult, types: Labels | None) -> dict[str, Labels | Values]:
    found: dict[str, Labels | Values] = {"terminal states": replace(fate.terminal, colors=fate_colors(fate, types))}
    for name, probability in zip(fate.names, fate.probabilities.T, strict=True):
        note = f"probability of ending in {name}"
        found[f"fate {name}"] = Values(np.array(probability), limits=(0.0, 1.0), note=note)
    return found
