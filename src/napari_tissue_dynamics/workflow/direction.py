"""Compare a velocity with a known order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.workflow.picture import CANDIDATES, arrow_space
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityResult

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_tissue_dynamics.analysis.validation.direction_check import DirectionCheck
    from napari_tissue_dynamics.analysis.validation.expected_order import NamedOrder
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken


def named_order(tissue: Tissue, *, types: str = "", stage: str = "", source: Source | None = None) -> NamedOrder:
    """Return an order of the cells from a user's description.

    Parameters
    ----------
    types
        Cell types with arrows between them: ``"Ductal > Ngn3 > Alpha, Beta"``.
    stage
        Instead, an obs column with stages.
    source
        The file or the AnnData of the tissue, to read that column from.

    Raises
    ------
    DataError
        If nothing or both are given, or one of them does not define an order.
    """
    from napari_tissue_dynamics.analysis.validation.expected_order import order_of_stages, order_of_types
    from napari_tissue_dynamics.data.io.file_contents import obs_column

    if bool(types.strip()) == bool(stage):
        raise DataError("Name either an order of cell types, such as 'A > B > C', or a column of stages.")
    if stage:
        if source is None:
            raise DataError(f"There is no file to read the stage {stage!r} from. Name an order of cell types instead.")
        return order_of_stages(stage, obs_column(source, stage, tissue.cells))
    if tissue.cell_types is None:
        raise DataError(f"{tissue.source} has no cell types to order. Choose a column of cell types when loading it.")
    return order_of_types(tissue.cell_types, types)


def direction_steps(
    tissue: Tissue,
    velocity: VelocityResult | VelocityField,
    order: NamedOrder,
    stop: StopToken | None = None,
    *,
    shuffles: int = 99,
    seed: int = 0,
) -> Generator[Progress, None, DirectionCheck]:
    """Compare a velocity and its arrows with a named order.

    Parameters
    ----------
    tissue, velocity
        The cells and their velocity, with its picture or without; then the arrows are those of the usual picture.
    order
        Known order, see :func:`named_order`.

    Raises
    ------
    DataError
        If no groups that follow each other have similar cells.
    """
    from napari_tissue_dynamics.analysis.arrows.projection import candidates, similar_cells
    from napari_tissue_dynamics.analysis.validation.direction_check import direction_check_steps

    yield Progress("similar cells", 0, 1, 0.0)
    if isinstance(velocity, VelocityResult):
        field, projection, graph = velocity.field, velocity.projection, velocity.graph
    else:
        field, projection, graph = velocity, PROJECTION, None
    inputs = ArrowInputs.of(field)
    similar = similar_cells(inputs, CANDIDATES) if graph is None else graph.neighbors
    space, labels = arrow_space(tissue, inputs, projection)
    near = candidates(space, CANDIDATES, labels)
    return (
        yield from direction_check_steps(
            inputs,
            order,
            similar,
            positions=tissue.positions,
            near=near,
            shuffles=shuffles,
            seed=seed,
            stop=stop,
        )
    )
