"""What all target genes of a fit share: expression, received ligands, neighbors and maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.progress import Progress, timed
from napari_tissue_dynamics.travlr.design import PairColumns, above_zero, build_design
from napari_tissue_dynamics.travlr.imputation import impute_steps
from napari_tissue_dynamics.travlr.nets.spatial_maps import min_max_scaled, neighbor_count_steps
from napari_tissue_dynamics.travlr.received_ligands import received_steps, resolve_radius
from napari_tissue_dynamics.travlr.smooth.fit import SmoothPlace

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Counts
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Design, Modulators
    from napari_tissue_dynamics.travlr.expression import Columns
    from napari_tissue_dynamics.travlr.fit_inputs import Plan
    from napari_tissue_dynamics.travlr.nets.cell_type_network import Niche

# Shares of the context where expression has been smoothed and ligands have reached the cells.
SMOOTH_SHARE, LIGAND_SHARE = 0.3, 0.8
# Numbers in columns of pairs that are kept for the next target (256 MB).
KEPT_FLOATS = 2**26


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What all targets share.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    codes
        (cells,) index into ``clusters``; -1 where a cell has no type.
    clusters
        Cell types that have cells.
    columns
        (cells,) expression of each gene involved.
    received
        (cells,) received ligand by name and whether it is secreted.
    neighbors
        (cells, clusters) counts of neighbors of each type, each column scaled to 0 ... 1.
    """

    positions: NDArray[np.float64]
    codes: NDArray[np.int32]
    clusters: tuple[str, ...]
    columns: Columns
    received: Mapping[tuple[str, bool], NDArray[np.float32]]
    neighbors: NDArray[np.float32]
    _pairs: list[PairColumns] = field(default_factory=list, repr=False)
    _niches: dict[tuple[object, ...], tuple[Niche, ...]] = field(default_factory=dict, repr=False)
    _smooth: dict[tuple[int, int], SmoothPlace] = field(default_factory=dict, repr=False)

    def design(self, chosen: Modulators) -> Design:
        """Return the columns of one target; those of pairs are made once for all targets."""
        if not self._pairs:
            self._pairs.append(PairColumns(self.columns, self.received, self.codes, KEPT_FLOATS))
        return build_design(chosen, self.columns, self.received, self.codes, self._pairs[0])

    @property
    def members(self) -> tuple[NDArray[np.intp], ...]:
        """Which cells each type has."""
        return tuple(np.flatnonzero(self.codes == k) for k in range(len(self.clusters)))

    def smooth_place(self, config: TravlrConfig) -> SmoothPlace:
        """Return the smooth functions at the cells; made once for all genes."""
        key = (config.waves, config.seed)
        if key not in self._smooth:
            self._smooth[key] = SmoothPlace.of(self.positions, self.codes, self.clusters, config)
        return self._smooth[key]

    def niches(self, config: TravlrConfig) -> tuple[Niche, ...]:
        """Return where the cells of each type sit, for a network; made once for all genes."""
        radius, _ = resolve_radius(self.positions, config.radius, config.contact_distance)
        key = (config.published.maps, config.spatial_dim, config.device, radius)
        if key not in self._niches:
            from napari_tissue_dynamics.compute import pick_device
            from napari_tissue_dynamics.travlr.nets.cell_type_network import Niche
            from napari_tissue_dynamics.travlr.nets.type_maps import type_maps

            place, device, n_types = self.positions, pick_device(config.device), len(self.clusters)
            maps = type_maps(config.published.maps, place, self.codes, n_types, config.spatial_dim, radius)
            self._niches[key] = tuple(
                Niche.of(place[rows], self.neighbors[rows], maps[k], device) for k, rows in enumerate(self.members)
            )
        return self._niches[key]


def context_steps(
    plan: Plan, config: TravlrConfig, stop: StopToken | None = None
) -> Generator[Progress, None, Context | None]:
    """Let the ligands reach the cells and count neighbors, once for all targets; None when stopped.

    Yields
    ------
    Progress, a few times a second, its ``fraction`` that of this part alone.
    """
    columns = plan.columns
    if plan.smooth_from is not None:
        smoothed = yield from _smoothed_steps(plan, plan.smooth_from, stop)
        if smoothed is None:
            return None
        columns = smoothed
    ligands = [above_zero(columns[name]) for name, _ in plan.signals]
    radii = np.array([plan.radius if secreted else plan.contact_distance for _, secreted in plan.signals])
    sent = np.column_stack(ligands) if ligands else np.zeros((len(plan.codes), 0), dtype=np.float32)
    reaching = received_steps(plan.positions, sent, radii, config.kernel, config.scale_factor, config.diffusion)
    received = yield from timed(reaching, "ligands reaching each cell", stop, (SMOOTH_SHARE, LIGAND_SHARE))
    if received is None:
        return None
    counting = neighbor_count_steps(plan.positions, plan.codes, len(plan.clusters), plan.radius)
    counts = yield from timed(counting, "neighbors of each cell", stop, (LIGAND_SHARE, 1.0))
    if counts is None:
        return None
    return Context(
        positions=plan.positions,
        codes=plan.codes,
        clusters=plan.clusters,
        columns=columns,
        received={signal: received[:, k] for k, signal in enumerate(plan.signals)},
        neighbors=min_max_scaled(counts),
    )


def _smoothed_steps(
    plan: Plan, expression: Counts, stop: StopToken | None
) -> Generator[Progress, None, Columns | None]:
    """Return the columns of the plan averaged over similar cells of the same type."""
    place = {gene: index for index, gene in enumerate(plan.genes)}
    wanted = np.array([place[gene] for gene in plan.columns], dtype=np.intp)
    steps = impute_steps(expression, plan.codes, wanted)
    smooth = yield from timed(steps, "smoothing expression", stop, (0.0, SMOOTH_SHARE))
    if smooth is None:
        return None
    return {gene: np.ascontiguousarray(smooth[:, k], dtype=np.float32) for k, gene in enumerate(plan.columns)}
