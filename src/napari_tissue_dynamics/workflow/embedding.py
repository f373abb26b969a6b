"""The cells of a tissue in an embedding, with their velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.progress import Progress, part_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.analysis.cells.embedding import EmbeddingConfig
    from napari_tissue_dynamics.data.io.embeddings import Embedding
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.workflow.results import VelocityResult

# A plot next to the tissue is small: fewer arrows leave the cells in sight.
NODES = 20


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingPicture:
    """The cells in a plane in which similar cells lie together.

    Parameters
    ----------
    grid
        Their velocity on a grid, or None.
    evidence
        Whether the counts support its direction, or None.
    """

    embedding: Embedding
    grid: GridField | None
    evidence: VelocityEvidence | None = None

    @classmethod
    def of(cls, embedding: Embedding, result: VelocityResult | None) -> EmbeddingPicture:
        """Return cells in an embedding with a velocity, or without any."""
        return cls(embedding, embedding_grid(embedding, result), None if result is None else result.evidence)


def embedding_picture_steps(
    tissue: Tissue,
    result: VelocityResult | None,
    config: EmbeddingConfig,
    stop: StopToken | None = None,
    *,
    source: Source | None = None,
) -> Generator[Progress, None, EmbeddingPicture]:
    """Return the embedding of a file, or compute one, and draw the velocity into it.

    Parameters
    ----------
    result
        Their velocity, or None.
    source
        The file of the tissue, whose embedding is taken where it will do.

    Raises
    ------
    DataError
        If nothing can be embedded.
    FitError
        If the work was ended early.
    """
    from napari_tissue_dynamics.analysis.cells.embedding import embedding_steps
    from napari_tissue_dynamics.data.io.embeddings import stored_embedding

    yield Progress("embedding of the file", 0, 1, 0.0)
    stored = None if source is None else stored_embedding(source)
    if stored is not None and len(stored.coordinates) != tissue.n_cells:
        stored = None  # a part of the file was read
    cells = tissue if result is None else result.field
    found = yield from part_of(embedding_steps(cells, config, stop, stored=stored), 0.0, 0.9)
    yield Progress("velocity in the embedding", 0, 1, 0.9)
    return EmbeddingPicture.of(found, result)


def embedding_grid(embedding: Embedding, result: VelocityResult | None) -> GridField | None:
    """Return a velocity in an embedding, on a grid; None without velocity.

    The arrows are those of similar cells, whichever neighbors the arrows in the tissue are drawn with.
    """
    from napari_tissue_dynamics.analysis.arrows.projection import arrows_along, on_grid

    if result is None or result.graph is None:
        return None
    places = np.asarray(embedding.coordinates, dtype=np.float64)
    return on_grid(places, arrows_along(result.graph, places), nodes=NODES)
