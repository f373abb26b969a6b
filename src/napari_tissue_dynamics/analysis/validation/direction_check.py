"""Whether velocities run along a known order of the cells, or against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.transitions import blocks, signed_odds
from napari_tissue_dynamics.analysis.validation.benchmark_metrics import time_agreement
from napari_tissue_dynamics.analysis.validation.sign_draws import SignDraws, expected_steps
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
    from napari_tissue_dynamics.analysis.validation.expected_order import NamedOrder
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.progress import StopToken

MOST_CELLS = 1000
"""Maximum number of cells used per boundary; larger boundaries are randomly subsampled."""
MOST_TIMES = 20_000
LEVEL = 0.05
"""A score that shuffled velocities reach in no larger share of the draws is called sure."""
WEAK = 0.1
"""An agreement below this is called weak, however sure it is."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One score, -1 to 1, and what shuffled velocities reach.

    Parameters
    ----------
    value
        The score; 1 along the named order, -1 against it.
    null_mean, null_deviation
        Mean and standard deviation of the scores of shuffled velocities.
    p_value
        Two-sided: share of scores, the own one included, that are as far from zero.
    """

    value: float
    null_mean: float
    null_deviation: float
    p_value: float

    @property
    def is_sure(self) -> bool:
        """Whether shuffled velocities reach the score in at most 5 % of the draws."""
        return self.p_value <= LEVEL

    def __str__(self) -> str:
        mean = round(self.null_mean, 2) + 0.0  # no negative zero
        return f"{self.value:.2f}, shuffled {mean:.2f} ± {self.null_deviation:.2f}, p = {self.p_value:.2g}"


@dataclass(frozen=True, slots=True, eq=False)
class DirectionCheck:
    """How a velocity agrees with a named order.

    Parameters
    ----------
    edges
        Names ``(from, to)`` of groups that follow each other.
    velocity
        Over the edges, how far velocities point to similar cells of the group that follows, in expression.
    velocity_edges
        (edges,) the same for every edge; NaN where no cell has a similar one in the group that follows.
    velocity_cells
        (edges,) number of cells that was found at every edge.
    arrows, arrow_edges, arrow_cells
        The same of the drawn arrows, at the places of the cells; None if no groups touch there.
    time
        Rank correlation of latent time with the order; None if one of both has no such place for the cells.
    """

    edges: tuple[tuple[str, str], ...]
    velocity: Agreement
    velocity_edges: NDArray[np.float64]
    velocity_cells: NDArray[np.int64]
    arrows: Agreement | None
    arrow_edges: NDArray[np.float64]
    arrow_cells: NDArray[np.int64]
    time: Agreement | None
    shuffles: int

    @property
    def verdict(self) -> str:
        """What came out, in sentences."""
        parts = [_sentence("Velocities", self.velocity)]
        if self.arrows is not None:
            parts.append(_sentence("The displayed arrows", self.arrows))
        if self.time is not None:
            parts.append(_time_sentence(self.time))
        return " ".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where the step to a neighbor and the arrow are compared: in expression or at the places of the cells."""

    neighbors: NDArray[np.int32]
    positions: NDArray[np.float64] | None = None


def direction_check_steps(
    inputs: ArrowInputs,
    order: NamedOrder,
    similar: NDArray[np.int32],
    *,
    positions: NDArray[np.float64] | None = None,
    near: NDArray[np.int32] | None = None,
    shuffles: int = 99,
    seed: int = 0,
    stop: StopToken | None = None,
) -> Generator[Progress, None, DirectionCheck]:
    r"""Compare a velocity with a given order of the cells.

    For every edge :math:`A \to B` of the order the score is the cross-boundary direction correctness

    .. math:: \operatorname{mean}_{i \in A} \; \operatorname{mean}_{j \in N(i) \cap B} \cos(x_j - x_i, v_i)

    (Qiao and Huang 2021, PNAS 118:e2105859118), once in expression, where the cosine is the correlation over genes
    that transition weights are made of, and once with displayed arrows at the positions of the cells. The score of the
    order is the mean over its edges. As a control, the sign of each gene's velocity is randomized,
    the same in all cells: magnitudes, noise and correlations of neighbors are preserved, the direction is not. The
    control of latent time permutes the times of the cells; as neighbors are similar, its p-value is too small, and the
    effect size matters.

    Parameters
    ----------
    inputs
        The velocities of n cells.
    order
        The groups of the cells and which follow each other.
    similar
        (cells, k) cells that are alike in expression, see
        :func:`~napari_tissue_dynamics.analysis.arrows.projection.candidates`.
    positions
        (cells, 2 or 3) places of the cells, or None to leave the drawn arrows out.
    near
        (cells, k) candidates that arrows are drawn with, or None likewise.
    seed
        Seed of the shuffles, and of the selection of the cells where a boundary has more than 1000.

    Raises
    ------
    DataError
        If the order is of other cells, or no groups that follow each other have similar cells.
    FitError
        If the work was ended early.
    """
    field = inputs.field
    if len(order.labels) != field.n_cells:
        raise DataError(f"The order has {len(order.labels)} cells but the velocity has {field.n_cells}.")
    rng = np.random.default_rng(seed)
    draws = SignDraws.of(inputs, shuffles, rng)
    scores, cells = yield from _scores(draws, order, _Places(similar), rng, stop)
    if not np.isfinite(scores).any():
        pairs = ", ".join(f"{a} → {b}" for a, b in order.named_edges)
        raise DataError(
            f"No cell has a similar cell in the group that follows ({pairs}), so nothing can be compared. "
            "Name groups between which there are cells in transition."
        )
    arrows, arrow_edges, arrow_cells = None, np.full(len(order.edges), np.nan), np.zeros(len(order.edges), np.int64)
    if positions is not None and near is not None:
        drawn, arrow_cells = yield from _scores(draws, order, _Places(near, positions), rng, stop)
        arrow_edges = drawn[:, 0]
        arrows = _against_null(drawn) if np.isfinite(drawn).any() else None
    return DirectionCheck(
        order.named_edges,
        _against_null(scores),
        scores[:, 0],
        cells,
        arrows,
        arrow_edges,
        arrow_cells,
        _time(field, order, shuffles, rng),
        shuffles,
    )


def _scores(
    draws: SignDraws, order: NamedOrder, places: _Places, rng: np.random.Generator, stop: StopToken | None
) -> Generator[Progress, None, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Return (edges, 1 + shuffles) scores, NaN for an edge without cells, and the number of cells of every edge."""
    n_edges, k = len(order.edges), places.neighbors.shape[1]
    scores = np.full((n_edges, draws.signs.shape[1]), np.nan)
    cells = np.zeros(n_edges, dtype=np.int64)
    what = "similar cells" if places.positions is None else "drawn arrows"
    for edge, (before, after) in enumerate(order.edges):
        rows = np.flatnonzero(order.labels == before)
        rows = rows[(order.labels[places.neighbors[rows]] == after).any(axis=1)]
        cells[edge] = len(rows)
        if not len(rows):
            continue
        if len(rows) > MOST_CELLS:
            rows = np.sort(rng.choice(rows, MOST_CELLS, replace=False))
        total = np.zeros(scores.shape[1])
        for block in blocks(len(rows), k * draws.velocity.shape[1], stop):
            across = order.labels[places.neighbors[rows[block]]] == after
            total += _across(draws, places, rows[block], across)
            yield Progress(what, edge + 1, n_edges, (edge + block.stop / len(rows)) / n_edges)
        scores[edge] = total / len(rows)
    return scores, cells


def _across(
    draws: SignDraws, places: _Places, rows: NDArray[np.intp], across: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return (1 + shuffles,) sums over cells of the mean cosine to the (cells, k) neighbors that lie ``across``."""
    cosines = draws.cosines(rows, places.neighbors)
    if places.positions is not None:
        arrows = expected_steps(signed_odds(cosines), places.positions, rows, places.neighbors)
        steps = places.positions[places.neighbors[rows]] - places.positions[rows, None, :]
        lengths = np.linalg.norm(steps, axis=2)[:, :, None] * np.linalg.norm(arrows, axis=1)[:, None, :]
        products = np.matmul(steps, arrows)
        cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > np.finfo(np.float32).tiny)
    weight = across / across.sum(axis=1, keepdims=True)
    return np.einsum("ik,ikb->b", weight, cosines, dtype=np.float64)


def _against_null(scores: NDArray[np.float64]) -> Agreement:
    """Return the mean over edges of the first column, against those of the other columns."""
    mean = scores[np.isfinite(scores[:, 0])].mean(axis=0)
    value, null = float(mean[0]), mean[1:]
    p_value = (1 + int((np.abs(null) >= abs(value)).sum())) / (1 + len(null))
    return Agreement(value, float(null.mean()), float(null.std()), p_value)


def _time(field: VelocityField, order: NamedOrder, shuffles: int, rng: np.random.Generator) -> Agreement | None:
    if field.time is None or order.stage is None:
        return None
    rows = np.flatnonzero(np.isfinite(order.stage) & np.isfinite(field.time))
    if len(rows) > MOST_TIMES:
        rows = rng.choice(rows, MOST_TIMES, replace=False)
    if len(rows) < 3:
        return None
    time, stage = field.time[rows], order.stage[rows]
    null = [time_agreement(time[rng.permutation(len(rows))], stage).overall for _ in range(shuffles)]
    value = time_agreement(time, stage).overall
    p_value = (1 + sum(abs(other) >= abs(value) for other in null)) / (1 + shuffles)
    return Agreement(value, float(np.mean(null)), float(np.std(null)), p_value)


def _sentence(what: str, agreement: Agreement) -> str:
    if not agreement.is_sure and abs(agreement.value) >= WEAK:
        way = "along" if agreement.value > 0 else "against"
        return f"{what} point {way} the named order, but so may shuffled velocities by chance: {agreement}."
    if not agreement.is_sure:
        return f"{what} do not distinguish the named order from its reverse: {agreement}."
    way = "follow" if agreement.value > 0 else "run against"
    if abs(agreement.value) < WEAK:
        return f"{what} weakly {way} the named order, too weakly to determine the direction: {agreement}."
    reverse = "" if agreement.value > 0 else ", they look reversed"
    return f"{what} {way} the named order{reverse}: {agreement}."


def _time_sentence(time: Agreement) -> str:
    if not time.is_sure or abs(time.value) < WEAK:
        return f"Latent time does not follow the named order: rank correlation {time}."
    if time.value > 0:
        return f"Latent time rises along the named order: rank correlation {time}."
    return f"Latent time falls along the named order, it looks reversed: rank correlation {time}."
