"""Find where the cells of a fitted velocity end up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, part_of, run_to_end
from napari_tissue_dynamics.workflow.picture import similar_cells_steps
from napari_tissue_dynamics.workflow.results import VelocityResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.transitions import VelocityGraph
    from napari_tissue_dynamics.analysis.fate.fate import Sketch
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

# States of larger tissues are searched for in this many of their cells.
SKETCH = 3000
# Share of the time that preparing takes.
PREPARED = 0.2
NAMED = 8


def fate_steps(
    tissue: Tissue,
    result: VelocityResult | VelocityField,
    config: FateConfig = FateConfig(),
    stop: StopToken | None = None,
    *,
    terminal: Labels | None = None,
    graph: VelocityGraph | None = None,
) -> Generator[Progress, None, FateResult]:
    """Find terminal states, the probability of every cell to end in each, initial states and driver genes.

    Parameters
    ----------
    tissue
        The cells; their types name the states, and driver genes are found in their spliced counts.
    result
        Velocities of these cells: what a fit returned, or the field alone, as it is read from a file.
    stop
        Ends the work early; there is no result then.
    terminal
        Cells of the terminal states if they are known, see :func:`terminal_states`; else they are found.
    graph
        Velocity graph of the cells, if the result is a field and the graph is known.

    Raises
    ------
    DataError
        If the velocity is of other cells, or terminal states are not found or cannot be used.
    FitError
        If the work was ended early.
    """
    from napari_tissue_dynamics.analysis.fate import fate as analysis

    field, whole = (result.field, result.graph) if isinstance(result, VelocityResult) else (result, graph)
    if field.n_cells != tissue.n_cells:
        raise DataError(
            f"The velocity is of {field.n_cells} cells, {tissue.source} has {tissue.n_cells}. Fit it to this tissue."
        )
    if whole is None:
        whole = yield from part_of(similar_cells_steps(ArrowInputs.of(field), stop), 0.0, PREPARED / 2)
    sketch = None
    if tissue.n_cells > SKETCH:
        sketch = yield from part_of(_sketch(field, config.seed, stop), PREPARED / 2, PREPARED)
    steps = analysis.fate_steps(
        whole,
        config,
        stop,
        types=tissue.cell_types,
        time=field.time,
        terminal=terminal,
        counts=tissue.spliced if tissue.spliced is not None else tissue.expression,
        genes=tissue.genes,
        sketch=sketch,
    )
    return (yield from part_of(steps, PREPARED, 1.0))


def fate(
    tissue: Tissue,
    result: VelocityResult | VelocityField,
    config: FateConfig = FateConfig(),
    report: Callable[[Progress], None] | None = None,
    *,
    terminal: Labels | None = None,
    graph: VelocityGraph | None = None,
) -> FateResult:
    """Run :func:`fate_steps` to the end."""
    return run_to_end(fate_steps(tissue, result, config, terminal=terminal, graph=graph), report)


def terminal_states(
    tissue: Tissue,
    *,
    types: Sequence[str] = (),
    cells: Mapping[str, Sequence[str] | NDArray[np.integer] | NDArray[np.bool_]] | None = None,
) -> Labels:
    """Return terminal states that are known, as :func:`fate_steps` takes them.

    Parameters
    ----------
    types
        Cell types that are terminal states as a whole.
    cells
        Cells of each terminal state by name: names of cells, their indices, or one truth value for each cell.

    Raises
    ------
    DataError
        If there is no such type or cell, a cell is in two states, or no state is given.
    """
    from napari_tissue_dynamics.analysis.fate.terminal_states import COLORS
    from napari_tissue_dynamics.data import keys
    from napari_tissue_dynamics.data.known_order import cells_of_type
    from napari_tissue_dynamics.data.tissue import Labels

    known = {name: cells_of_type(tissue, name) for name in types}
    for name, chosen in (cells or {}).items():
        if name in known:
            raise DataError(f"The terminal state {name!r} is given twice. Give each state once.")
        known[name] = _indices(tissue, chosen)
    if not known:
        raise DataError(
            "No terminal state is given. Name cell types or cells, or omit it to find states automatically."
        )
    codes = np.full(tissue.n_cells, -1, dtype=np.int32)
    for state, (name, chosen) in enumerate(known.items()):
        if not len(chosen):
            raise DataError(f"The terminal state {name!r} has no cell. Choose cells for it or remove it.")
        if (codes[chosen] >= 0).any():
            raise DataError(f"Cells of {name!r} are in another terminal state too. Choose each cell once.")
        codes[chosen] = state
    own = tissue.cell_types
    colors = [COLORS[state % len(COLORS)] for state in range(len(known))]
    if own is not None and own.colors is not None:
        by_type = dict(zip(own.categories, own.colors, strict=True))
        colors = [by_type.get(name, color) for name, color in zip(known, colors, strict=True)]
    return Labels(keys.TERMINAL_STATES, codes, tuple(known), tuple(colors))


def terminal_column(tissue: Tissue, name: str, source: Source | None) -> Labels:
    """Return the categories of an obs column as terminal states; cells without one are in none.

    Parameters
    ----------
    source
        The file or the AnnData of the tissue, to read the column from.

    Raises
    ------
    DataError
        If there is no such column, or it has numbers.
    """
    from napari_tissue_dynamics.data.io.file_contents import obs_column
    from napari_tissue_dynamics.data.tissue import Labels

    if source is None:
        raise DataError(f"{tissue.source} has no file to read the obs column {name!r} from. Name cell types or cells.")
    column = obs_column(source, name, tissue.cells)
    if not isinstance(column, Labels):
        raise DataError(f"The obs column {name!r} has numbers; one with categories was expected.")
    return column


def fate_in_words(result: FateResult) -> str:
    """Return in a few sentences what was found; a state that begins and one that ends have different names."""
    starts = () if result.initial is None else result.initial.categories
    both = set(starts) & set(result.names)
    counts = [int((result.fate == each).sum()) for each in range(len(result.names))]
    names = [f"{name} (terminal)" if name in both else name for name in result.names]
    ends = ", ".join(f"{name} ({count} cells)" for name, count in zip(names, counts, strict=True))
    sentences = [f"{len(result.names)} terminal state{'' if len(result.names) == 1 else 's'}: {ends}."]
    if starts:
        origins = [f"{name} (initial)" if name in both else name for name in starts]
        sentences.append(f"Cells come from {', '.join(origins)}.")
    if result.n_unreachable:
        sentences.append(f"{result.n_unreachable} of {result.n_cells} cells reach no terminal state and have no fate.")
    if result.drivers is not None:
        best = (
            f"{shown}: {', '.join(result.drivers.table(name, 3)['gene'])}"
            for name, shown in zip(result.names[:NAMED], names, strict=False)
        )
        sentences.append(f"Genes correlated with them: {'; '.join(best)}.")
    return " ".join(sentences)


def fate_neighborhoods(tissue: Tissue, result: FateResult, *, seed: int = 0) -> pd.DataFrame:
    """Return the neighborhood enrichment of the most probable fates in the tissue, a z-score for each pair of fates.

    Cells without a fate are omitted.

    Raises
    ------
    DataError
        If there are no coordinates in a tissue, or too few cells have a fate.
    """
    import pandas as pd

    from napari_tissue_dynamics.analysis.genes.spatial_statistics import neighborhood_enrichment, spatial_neighbors

    cells = np.flatnonzero(result.fate >= 0)
    if not tissue.has_tissue or len(cells) < 2:
        raise DataError(
            f"{len(cells)} cells of {tissue.source} have a fate and coordinates {'' if tissue.has_tissue else 'not '}"
            "in a tissue; two cells in a tissue are needed. Choose spatial coordinates when loading."
        )
    neighbors = spatial_neighbors(tissue.positions[cells])
    score = neighborhood_enrichment(result.fate[cells], len(result.names), neighbors, seed=seed)
    return pd.DataFrame(score, index=list(result.names), columns=list(result.names))


def _sketch(field: VelocityField, seed: int, stop: StopToken | None) -> Generator[Progress, None, Sketch]:
    """Return a sample of the cells with a velocity graph of its own."""
    from napari_tissue_dynamics.analysis.fate.fate import Sketch
    from napari_tissue_dynamics.data.velocity_field import VelocityField

    cells = np.sort(np.random.default_rng(seed).choice(field.n_cells, SKETCH, replace=False))
    names = ("spliced", "unspliced", "moments_spliced", "moments_unspliced")
    sample = VelocityField(
        field.genes, **{name: getattr(field, name)[cells] for name in names}, gene_weight=field.gene_weight
    )
    return Sketch(cells, (yield from similar_cells_steps(ArrowInputs.of(sample), stop)))


def _indices(tissue: Tissue, chosen: Sequence[str] | NDArray[np.integer] | NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the indices of cells that are given by name, by index or by a truth value for each cell."""
    from napari_tissue_dynamics.data.known_order import cells_named

    values = np.asarray(chosen)
    if values.dtype == bool:
        if values.shape != (tissue.n_cells,):
            raise DataError(f"{values.size} truth values were given for {tissue.n_cells} cells; give one for each.")
        return np.flatnonzero(values)
    if values.size and values.dtype.kind in "iu":
        if values.min() < 0 or values.max() >= tissue.n_cells:
            raise DataError(f"Cell {int(values.max())} was chosen; there are {tissue.n_cells}, counted from 0.")
        return np.unique(values).astype(np.intp)
    return np.unique(cells_named(tissue, [str(name) for name in values]))
