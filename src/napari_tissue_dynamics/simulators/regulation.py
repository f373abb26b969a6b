r"""Regulation in a simulated tissue, with coefficients that vary over space and between cell types.

.. math:: y_i = b_0(s_i, c_i) + \sum_k \beta_k(s_i, c_i)\, x_{ik} + \epsilon_i

where :math:`x` is the expression of a transcription factor, or received ligand times receptor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rule:
    """What regulates one target: transcription factors with their mean coefficient, decoys, and one pair."""

    factors: Mapping[str, float]
    decoys: tuple[str, ...]
    ligand: str
    receptor: str

    @property
    def regulators(self) -> tuple[str, ...]:
        """Transcription factors and decoys, in alphabetical order."""
        return tuple(sorted((*self.factors, *self.decoys)))

    @property
    def pair(self) -> str:
        """Name of the ligand-receptor column."""
        return f"{self.ligand}${self.receptor}"


RULES = {
    "Axin2": Rule({"Lef1": 0.3, "Sox9": -0.17}, ("Pax6",), "Wnt5a", "Fzd2"),
    "Dusp6": Rule({"Etv4": 0.25, "Gata6": 0.2}, ("Tbx5",), "Fgf8", "Fgfr1"),
    "Spry4": Rule({"Foxc1": 0.25, "Meis1": -0.17}, ("Foxa2", "Pax6"), "Pdgfa", "Pdgfra"),
}
SIGNALING = "Secreted Signaling"
CELL_TYPES = ("epithelium", "mesenchyme", "neural")
CELL_TYPE_COLORS = ("#0072b2", "#e69f00", "#009e73")
TYPE_FACTORS = (1.0, 0.6, 1.5)
INTERCEPT = 1.05
PAIR_EFFECT = 0.17
RADIUS_IN_NEIGHBOR_DISTANCES = 8.0
SCALE_FACTOR = 1.0
NOISE_SHARE = 0.08
FIRST_DIRECTION = 215.0
"""Degrees; from here to a turn no coefficient exceeds twice its mean, the most a scaled seed can express."""
BLOCK = 512
REACH = 9.0
"""Radii beyond which a ligand counts less than the rounding of its sum."""


@dataclass(frozen=True, slots=True, eq=False)
class Regulation:
    """Expression of regulators and targets, and the coefficients that tie them.

    ``expression`` is (cells, len(genes)) float32; ``betas`` holds (cells,) float64 coefficients by target
    and modulator, ``intercepts`` those of the constant; ``radius`` is the reach of the ligands in um.
    """

    genes: tuple[str, ...]
    expression: NDArray[np.float32]
    betas: Mapping[str, Mapping[str, NDArray[np.float64]]]
    intercepts: Mapping[str, NDArray[np.float64]]
    radius: float


def regulator_genes() -> tuple[str, ...]:
    """Return the transcription factors, decoys, ligands and receptors of all rules, without repeats."""
    names = [name for rule in RULES.values() for name in (*rule.regulators, rule.ligand, rule.receptor)]
    return tuple(dict.fromkeys(names))


def draw_cell_types(positions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw a type for every cell, (cells,); all types occur everywhere, each prefers a part of the tissue."""
    along, across = _along(positions, 25.0), _along(positions, 115.0)
    preference = np.column_stack([1.2 * along, 0.3 - 1.2 * along, 1.2 * across - 0.3])
    noisy = preference + rng.gumbel(size=preference.shape)
    return noisy.argmax(axis=1).astype(np.int32)


def received(
    ligand: NDArray[np.floating], positions: NDArray[np.float64], radius: float, scale: float = SCALE_FACTOR
) -> NDArray[np.float64]:
    r"""Ligand that reaches every cell.

    .. math:: R_i = \frac{\mathrm{scale}}{n} \sum_j e^{-d_{ij}^2 / 2 r^2} L_j

    The sum runs over all cells, the cell itself included, without a cut-off (SpaceTravLR, gaussian kernel).

    Parameters
    ----------
    ligand
        (cells,) or (cells, ligands) expression of the ligands.
    positions
        (cells, d) coordinates of the cells.
    radius
        Reach r, in the unit of ``positions``.
    scale
        Multiplies the result.

    Returns
    -------
    float64 of the shape of ``ligand``.
    """
    order = np.argsort(positions[:, 0], kind="stable")
    place, amount = positions[order], np.asarray(ligand, dtype=np.float64)[order]
    result = np.empty_like(amount)
    for start in range(0, len(place), BLOCK):
        rows = slice(start, start + BLOCK)
        low, high = place[rows][[0, -1], 0] + np.array([-REACH, REACH]) * radius
        near = slice(*np.searchsorted(place[:, 0], [low, high]))
        distance2 = cdist(place[rows], place[near], "sqeuclidean")
        result[order[rows]] = np.exp(distance2 / (-2 * radius**2)) @ amount[near]
    return scale / len(place) * result


def regulate(positions: NDArray[np.float64], types: NDArray[np.int32], rng: np.random.Generator) -> Regulation:
    """Draw regulators, let them reach the cells and make the targets.

    Parameters
    ----------
    positions
        (cells, 2) coordinates of the cells in um.
    types
        (cells,) index into ``CELL_TYPES``.
    rng
        Random numbers.
    """
    centered = positions - positions.mean(axis=0)
    distances, _ = cKDTree(centered).query(centered, k=2)
    radius = RADIUS_IN_NEIGHBOR_DISTANCES * float(np.median(np.asarray(distances)[:, 1]))
    names = regulator_genes()
    expression = {name: _regulator(centered, rng) for name in names}
    betas: dict[str, dict[str, NDArray[np.float64]]] = {}
    intercepts, targets = {}, []
    reaching = received(np.column_stack([expression[rule.ligand] for rule in RULES.values()]), centered, radius)
    for number, (target, rule) in enumerate(RULES.items()):
        columns = {name: expression[name].astype(np.float64) for name in rule.factors}
        columns[rule.pair] = reaching[:, number] * expression[rule.receptor]
        means = {**rule.factors, rule.pair: PAIR_EFFECT / float(columns[rule.pair].std())}
        betas[target] = {
            name: mean
            * _spatial_factor(centered, FIRST_DIRECTION + 30.0 * number + 40.0 * k)
            * _type_factor(types, number + k)
            for k, (name, mean) in enumerate(means.items())
        }
        intercepts[target] = INTERCEPT * (1 + 0.15 * _along(centered, 75.0 * number)) * (1 + 0.1 * types)
        targets.append(_respond(intercepts[target], betas[target], columns, rng))
    matrix = np.column_stack([*expression.values(), *targets])
    return Regulation((*names, *RULES), matrix, betas, intercepts, radius)


def _regulator(positions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    trend = 0.15 * _along(positions, rng.uniform(0.0, 360.0))
    log_level = np.log(rng.uniform(0.9, 1.3)) + trend + 0.4 * rng.normal(size=len(positions))
    return np.minimum(np.exp(log_level), 4.0).astype(np.float32)


def _respond(
    intercept: NDArray[np.float64],
    betas: Mapping[str, NDArray[np.float64]],
    columns: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    signal = intercept.copy()
    for name, beta in betas.items():
        signal += beta * columns[name]
    noise = np.sqrt(NOISE_SHARE / (1 - NOISE_SHARE)) * signal.std()
    return np.asarray(signal + rng.normal(0.0, noise, len(signal)), dtype=np.float32)


def _spatial_factor(positions: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Return a smooth step from about 0.4 to about 1.6 along a direction."""
    return 0.35 + 1.3 / (1 + np.exp(-3.0 * _along(positions, degrees)))


def _type_factor(types: NDArray[np.int32], shift: int) -> NDArray[np.float64]:
    return np.roll(TYPE_FACTORS, shift)[types]


def _along(positions: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Return the place of every cell along a direction, from -1 to 1 at the two ends."""
    angle = np.deg2rad(degrees)
    place = positions @ np.array([np.cos(angle), np.sin(angle)])
    low, high = place.min(), place.max()
    return (2 * place - low - high) / max(high - low, 1e-12)
