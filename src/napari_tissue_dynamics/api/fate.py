"""Where cells end up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.fate.fate import FateConfig
    from napari_tissue_dynamics.api.inputs import Input, Report
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Labels, Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.workflow.results import VelocityResult

States: TypeAlias = "str | Sequence[str] | Mapping[str, Sequence[str] | NDArray[np.integer] | NDArray[np.bool_]] | None"


@overload
def fate(
    data: AnnData,
    terminal_states: States = ...,
    *,
    copy: Literal[True],
    velocity: VelocityResult | VelocityField | None = ...,
    config: FateConfig | None = ...,
    progress: Report = ...,
    **settings: Any,
) -> AnnData: ...
@overload
def fate(
    data: AnnData | Tissue,
    terminal_states: States = ...,
    *,
    copy: Literal[False] = ...,
    velocity: VelocityResult | VelocityField | None = ...,
    config: FateConfig | None = ...,
    progress: Report = ...,
    **settings: Any,
) -> FateResult: ...
def fate(
    data: AnnData | Tissue,
    terminal_states: States = None,
    *,
    copy: bool = False,
    velocity: VelocityResult | VelocityField | None = None,
    config: FateConfig | None = None,
    progress: Report = None,
    **settings: Any,
) -> FateResult | AnnData:
    """Find terminal states and the probability of every cell to end in each.

    Parameters
    ----------
    data
        An AnnData with velocities, those of :func:`velocity` or of scVelo (``layers["velocity"]``, ``["Ms"]`` and
        ``["Mu"]``); or a :class:`Tissue`, then with ``velocity``.
    terminal_states
        The terminal states, if they are given: names of cell types; an obs column whose categories are the states;
        or the cells of each state by its name (their names, indices, or one truth value for each cell). None finds
        them.
    copy
        Leave ``data`` as it is and return a copy with the results.
    velocity
        Velocities to use instead of those in the AnnData.
    config
        Settings to begin with.
    progress
        As for :func:`velocity`.
    settings
        Fields of :class:`FateConfig` (``n_states``, ``scale``, ``seed``, ...) and :class:`ReadOptions`
        (``cell_type``, ...).

    Returns
    -------
    The result (terminal and initial states, (cells, states) probabilities, driver genes), or the copy.

    The AnnData gets the keys of CellRank 2: ``obs["term_states_fwd"]``, ``obs["init_states_fwd"]``,
    ``obsm["lineages_fwd"]`` (probabilities; rows sum to 1, NaN for cells that reach no state) and
    ``varm["terminal_lineage_drivers"]``.

    Raises
    ------
    DataError
        If there are no velocities, terminal states are not found or cannot be used, or a setting does not exist or
        is out of its range.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> adata = td.simulate(n_cells=300, n_genes=40)
    >>> velocities = td.velocity(adata, "stochastic", min_shared_counts=5)
    >>> td.fate(adata, ["epithelium", "neural"]).names
    ('epithelium', 'neural')
    """
    from napari_tissue_dynamics import workflow
    from napari_tissue_dynamics.analysis.fate.fate import FateConfig
    from napari_tissue_dynamics.api.inputs import opened, run, with_given
    from napari_tissue_dynamics.data.io import read_velocity
    from napari_tissue_dynamics.data.io.read import ReadOptions

    config, options = with_given(settings, config or FateConfig(), ReadOptions())
    found = opened(data, options)
    target = found.stored_in(copy)
    graph = None
    if velocity is None:
        if found.adata is None:
            raise DataError("A Tissue holds no velocities. Pass the result of td.velocity: velocity=...")
        velocity, graph = read_velocity(found.adata), workflow.stored_graph(found.adata)
    terminal = _terminal(found, terminal_states)
    result = run(workflow.fate_steps(found.tissue, velocity, config, terminal=terminal, graph=graph), progress)
    if target is not None:
        workflow.put(target, found.tissue, fate=result, settings=[config])
    return target if copy and target is not None else result


def _terminal(found: Input, states: States) -> Labels | None:
    """Return terminal states that were given in one of many ways."""
    from napari_tissue_dynamics import workflow

    if states is None:
        return None
    if isinstance(states, str):
        return workflow.terminal_column(found.tissue, states, found.adata)
    if isinstance(states, Mapping):
        return workflow.terminal_states(found.tissue, cells=states)
    return workflow.terminal_states(found.tissue, types=tuple(states))
