"""Quick pictures of a running fit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.progress import converted
from napari_tissue_dynamics.workflow.results import VelocityPreview

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import Progress


Result = TypeVar("Result")

# Maximum number of cells with arrows in a preview, of candidates for them, and share of the time that it takes.
PREVIEW_CELLS = 10_000
PREVIEW_CANDIDATES = 15
PREVIEW_SHARE = 0.1


class Previews:
    """Quick pictures of a running fit, made only as often as the time for them allows."""

    def __init__(self, positions: NDArray[np.float64]) -> None:
        self._positions = positions
        n_cells = len(positions)
        self._cells = np.linspace(0, n_cells - 1, min(n_cells, PREVIEW_CELLS)).astype(np.intp)
        self._not_before = 0.0

    def of(self, field: VelocityField) -> VelocityPreview | None:
        """Return a picture of the present state, None if the next one is not due."""
        start = time.monotonic()
        if start < self._not_before:
            return None
        preview = VelocityPreview(field.time, field.expert_probability, self._arrows(field))
        end = time.monotonic()
        self._not_before = end + (end - start) * (1 / PREVIEW_SHARE - 1)
        return preview

    def _arrows(self, field: VelocityField) -> NDArray[np.float32]:
        from napari_tissue_dynamics.analysis.arrows.projection import project

        cells = self._cells
        part = VelocityField(
            field.genes,
            field.spliced[cells],
            field.unspliced[cells],
            field.moments_spliced[cells],
            field.moments_unspliced[cells],
            gene_weight=field.gene_weight,
        )
        arrows = np.zeros(self._positions.shape, dtype=np.float32)
        arrows[cells] = project(part, self._positions[cells], k=PREVIEW_CANDIDATES).arrows
        return arrows


def with_previews(
    steps: Generator[Progress, None, Result], positions: NDArray[np.float64]
) -> Generator[Progress, None, Result]:
    """Pass a fit through with a preview in place of each velocity field that it shows."""
    previews = Previews(positions)

    def seen(progress: Progress) -> Progress:
        field = progress.snapshot
        return replace(progress, snapshot=previews.of(field)) if isinstance(field, VelocityField) else progress

    return (yield from converted(steps, seen))
