"""Draw velocities into the tissue."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
from napari_tissue_dynamics.compute import wait
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, converted, part_of
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityPreview, VelocityResult

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import Neighbors, Projection, ProjectionConfig
    from napari_tissue_dynamics.analysis.genes.experts import ExpertStatistics
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

# Neighbors of a cell in the graph of scVelo, by default.
CANDIDATES = 30


def picture_steps(
    tissue: Tissue,
    field: VelocityField,
    stop: StopToken | None = None,
    *,
    projection: ProjectionConfig = PROJECTION,
) -> Generator[Progress, None, VelocityResult]:
    """Draw velocities into the tissue and compare every cell's with those of similar cells.

    Parameters
    ----------
    tissue
        Where the cells lie.
    field
        Velocities of these cells.
    stop
        Ends the work early; there is no result then.
    projection
        Settings of the arrows.

    Yields
    ------
    How far the work is. Once the arrows are made, a ``snapshot`` is a :class:`VelocityPreview` with them.

    Returns
    -------
    The velocities and their picture.

    Raises
    ------
    DataError
        If there are no experts or cell types that arrows could stay within.
    FitError
        If the work was ended early.
    """
    if field.informative is not None:
        some = picture_steps(
            tissue.select_cells(field.informative), field.of_informative(), stop, projection=projection
        )
        return _spread((yield from converted(some, partial(_spread_report, field=field))), field)
    from napari_tissue_dynamics.analysis.arrows.confidence import confidence, neighbor_correlation
    from napari_tissue_dynamics.analysis.arrows.projection import on_grid

    places, inputs = tissue.positions, ArrowInputs.of(field)
    drawn = yield from part_of(_arrows(tissue, inputs, projection, stop), 0.0, 0.2)
    grid = on_grid(places, drawn.arrows)
    first = VelocityPreview(field.time, field.expert_probability, drawn.arrows)
    yield Progress("arrows", 1, 1, 0.2, snapshot=first)
    graph = yield from part_of(similar_cells_steps(inputs, stop), 0.2, 0.7)
    counting = field.spliced if field.velocity_genes is None else field.spliced[:, field.velocity_genes]
    correlation = yield from wait(
        "similar velocities", lambda: neighbor_correlation(counting, graph.neighbors), 0.7, stop
    )
    sure = None
    if field.evidence is not None and field.evidence.supported:
        space, _ = arrow_space(tissue, inputs, projection)
        sure = yield from wait("confidence", lambda: confidence(drawn.arrows, space, field.expert), 0.8, stop)
    experts = yield from wait("experts", lambda: _experts(tissue, field), 0.95, stop)
    return VelocityResult(
        field,
        drawn.arrows,
        grid,
        correlation,
        confidence=sure,
        experts=experts,
        graph=graph,
        projection=projection,
    )


def _spread(drawn: VelocityResult, field: VelocityField) -> VelocityResult:
    """Return the picture of all cells from that of the informative ones; the others have no arrow."""
    there = field.informative
    assert there is not None
    index = np.flatnonzero(there).astype(np.int32)
    graph = drawn.graph
    if graph is not None:
        neighbors = np.repeat(np.arange(len(there), dtype=np.int32)[:, None], graph.neighbors.shape[1], axis=1)
        neighbors[there] = index[graph.neighbors]
        graph = VelocityGraph(neighbors, _over(there, graph.cosines, 0))
    return replace(
        drawn,
        field=field,
        arrows=_over(there, drawn.arrows, 0),
        neighbor_correlation=_over(there, drawn.neighbor_correlation, np.nan),
        confidence=None if drawn.confidence is None else _over(there, drawn.confidence, np.nan),
        graph=graph,
    )


def _spread_report(report: Progress, field: VelocityField) -> Progress:
    """Return a report whose preview, if it has one, is of all cells."""
    if not isinstance(report.snapshot, VelocityPreview) or field.informative is None:
        return report
    arrows = _over(field.informative, report.snapshot.arrows, 0)
    return replace(report, snapshot=VelocityPreview(field.time, field.expert_probability, arrows))


def _over(there: NDArray[np.bool_], values: NDArray[np.float32], blank: float) -> NDArray[np.float32]:
    """Return the values of some cells as those of all, the others blank."""
    result = np.full((len(there), *values.shape[1:]), blank, dtype=values.dtype)
    result[there] = values
    return result


def _arrows(
    tissue: Tissue, inputs: ArrowInputs, config: ProjectionConfig, stop: StopToken | None
) -> Generator[Progress, None, Projection]:
    from napari_tissue_dynamics.analysis.arrows.projection import project_steps

    near, labels = _near(tissue, config), _labels(tissue, inputs.field, config)
    return (yield from project_steps(inputs, tissue.positions, neighbors=near, k=CANDIDATES, within=labels, stop=stop))


def arrow_space(
    tissue: Tissue, inputs: ArrowInputs, config: ProjectionConfig
) -> tuple[NDArray[np.floating], NDArray[np.int32] | None]:
    """Return where the candidates of arrows are looked for, (n, dimensions), and the labels they stay within.

    Raises
    ------
    DataError
        If there are no experts or cell types that arrows could stay within.
    """
    space = tissue.positions if _near(tissue, config) == "tissue" else inputs.space
    return space, _labels(tissue, inputs.field, config)


def _near(tissue: Tissue, config: ProjectionConfig) -> Neighbors:
    if config.neighbors != "auto":
        return config.neighbors
    return "tissue" if tissue.has_tissue else "expression"


def _labels(tissue: Tissue, field: VelocityField, config: ProjectionConfig) -> NDArray[np.int32] | None:
    if config.within == "cell type":
        return cell_types_of(tissue)
    if config.within == "expert":
        if field.expert is None:
            raise DataError(f"The {field.model} model has no experts to restrict arrows to. Choose 'anywhere'.")
        return field.expert
    return None


def cell_types_of(tissue: Tissue) -> NDArray[np.int32]:
    """Return the types of the cells, (n,), that arrows could stay within.

    Raises
    ------
    DataError
        If the tissue has none.
    """
    if tissue.cell_types is None:
        raise DataError(
            f"{tissue.source} has no cell types to restrict arrows to. "
            "Choose a column of cell types when loading it, or choose 'anywhere'."
        )
    return tissue.cell_types.codes


def similar_cells_steps(inputs: ArrowInputs, stop: StopToken | None) -> Generator[Progress, None, VelocityGraph]:
    """Return the velocity graph of a field over similar cells, wherever in the tissue they are."""
    from napari_tissue_dynamics.analysis.arrows.projection import similar_cells

    similar = yield from wait("similar cells", lambda: similar_cells(inputs, CANDIDATES), 0.0, stop)
    return (yield from inputs.graph_steps(similar, stop))


def _experts(tissue: Tissue, field: VelocityField) -> ExpertStatistics | None:
    from napari_tissue_dynamics.analysis.genes.experts import expert_statistics

    if field.expert_probability is None:
        return None
    return expert_statistics(field, tissue.positions if tissue.has_tissue else None, tissue.cell_types)
