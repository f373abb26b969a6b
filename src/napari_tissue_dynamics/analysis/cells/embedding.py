"""An embedding of the cells, from the file where it has one, else computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Interval

from napari_tissue_dynamics.compute import wait_for
from napari_tissue_dynamics.data.io.embeddings import Embedding
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, run_to_end

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

__all__ = ["Embedding", "EmbeddingConfig", "embed", "embedding_steps", "umap_layout"]

COMPONENTS = 30
GENES = 2000
# UMAP of fewer cells has no meaning and its solver no neighbors.
FEWEST_CELLS = 10
# The start is the plane of the first principal components in these units, as wide as the result.
START_WIDTH = 10.0
STOPPED = "The run was stopped before the embedding was complete; earlier results are unchanged."


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """Settings of an embedding.

    Parameters
    ----------
    method
        ``auto``: UMAP, or principal components if there are too few cells; ``umap``;
        ``pca``: the first principal components.
    n_dimensions
        2 or 3.
    n_neighbors
        Number of UMAP neighbors, including the cell itself: low values show detail, high values global structure.
    min_dist
        Minimum distance between cells in UMAP, relative to a typical group of width 1.
    seed
        Random seed.
    """

    method: Literal["auto", "umap", "pca"] = "auto"
    n_dimensions: Annotated[int, Interval(ge=2, le=3)] = 2
    n_neighbors: Annotated[int, Interval(ge=2, le=200)] = 30
    min_dist: Annotated[float, Interval(ge=0, le=1)] = 0.3
    seed: Annotated[int, Ge(0)] = 0


def embed(
    source: Tissue | VelocityField,
    config: EmbeddingConfig = EmbeddingConfig(),
    *,
    stored: Embedding | None = None,
) -> Embedding:
    """Run :func:`embedding_steps` to the end."""
    return run_to_end(embedding_steps(source, config, stored=stored))


def embedding_steps(
    source: Tissue | VelocityField,
    config: EmbeddingConfig = EmbeddingConfig(),
    stop: StopToken | None = None,
    *,
    stored: Embedding | None = None,
) -> Generator[Progress, None, Embedding]:
    """Return an embedding of the cells: the stored one if it will do, else one that is computed.

    Of a velocity the moments of both kinds of RNA are embedded, so that cells lie as the model saw them; of a tissue
    the logarithms of its expression or its spliced counts, each cell scaled to the median depth.

    Parameters
    ----------
    stop
        Ends the work early; there is no result then.
    stored
        What the file has, from :func:`.data.io.embeddings.stored_embedding`. It is taken if the method is ``auto`` or
        its own and it has as many dimensions as asked for.

    Returns
    -------
    The embedding; its note describes how it was made.

    Raises
    ------
    DataError
        If the tissue has no expression, or UMAP is asked for and there are too few cells.
    FitError
        If the work was ended early.
    """
    if stored is not None and _will_do(stored, source.n_cells, config):
        return stored
    space = yield from wait_for("principal components", lambda: _space(source, config.seed), 0.0, stop, STOPPED)
    reason = f" UMAP needs at least {FEWEST_CELLS} cells; there are {len(space)}." if len(space) < FEWEST_CELLS else ""
    if reason and config.method == "umap":
        raise DataError(f"{reason.strip()} Choose principal components.")
    if config.method == "pca" or reason:
        why = reason if config.method == "auto" else ""
        return Embedding("pca", _widened(space, config.n_dimensions), f"principal components.{why}")
    found = yield from wait_for("UMAP", lambda: umap_layout(space, config), 0.2, stop, STOPPED)
    note = f"UMAP of {space.shape[1]} principal components, {config.n_neighbors} neighbors, seed {config.seed}"
    return Embedding("umap", found, note)


def umap_layout(space: NDArray[np.float32], config: EmbeddingConfig) -> NDArray[np.float32]:
    """Return the UMAP layout of cells (McInnes et al. 2018, arXiv:1802.03426), the same for the same seed.

    It starts from the first principal components, so that the large scale keeps its meaning.

    Parameters
    ----------
    space
        (cells, components) principal components.

    Returns
    -------
    (cells, 2 or 3) float32.
    """
    from umap import UMAP

    start = _widened(space, config.n_dimensions)
    begin = start * (START_WIDTH / (np.abs(start).max() or 1.0))
    layout = UMAP(
        n_neighbors=min(config.n_neighbors, len(space)),
        n_components=config.n_dimensions,
        min_dist=config.min_dist,
        init=begin.astype(np.float32),
        random_state=config.seed,
        n_jobs=1,  # what one seed allows
    )
    return np.ascontiguousarray(layout.fit_transform(space), dtype=np.float32)


def _will_do(stored: Embedding, n_cells: int, config: EmbeddingConfig) -> bool:
    if len(stored.coordinates) != n_cells:
        raise DataError(
            f"The stored embedding {stored.name!r} has {len(stored.coordinates)} cells but {n_cells} were expected. "
            "Use the file that the cells were read from."
        )
    fits = stored.coordinates.shape[1] == config.n_dimensions
    return fits and config.method in ("auto", stored.name)


def _space(source: Tissue | VelocityField, seed: int) -> NDArray[np.float32]:
    """Return (cells, at most 30) principal components."""
    from napari_tissue_dynamics.analysis.arrows.inputs import expression_space
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.graph.components import leading_components
    from napari_tissue_dynamics.graph.counts import normalise, varying_genes

    if isinstance(source, VelocityField):
        return expression_space(source)
    counts = source.spliced if source.expression is None else source.expression
    if counts is None:
        raise DataError(
            f"{source.source} has neither expression nor spliced counts to embed. Choose a layer when loading it."
        )
    scaled = normalise(counts)
    scaled.data = np.log1p(np.maximum(scaled.data, 0))
    if scaled.shape[1] > GENES:
        scaled = scaled[:, varying_genes(counts, counts, min_shared_counts=0, most=GENES, fewest=1)]
    return leading_components(scaled, COMPONENTS, seed=seed)


def _widened(space: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return the first columns, with zeros where there are fewer."""
    result = np.zeros((len(space), number), dtype=np.float32)
    width = min(number, space.shape[1])
    result[:, :width] = space[:, :width]
    return result
