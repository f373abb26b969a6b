r"""Tissues whose regulation is known in every cell: the truth that estimators of spatial coefficients are measured by.

.. math:: y_i = b_0(s_i, c_i) + \sum_k \beta_k(s_i, c_i)\, x_{ik} + \epsilon_i

where :math:`x` is the expression of a transcription factor, received ligand times receptor, or received ligand times
transcription factor, as in SpaceTravLR. Every target has coefficients of its own; half of its modulators have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.regulation import SIGNALING, received
from napari_tissue_dynamics.simulators.requests import check_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Floats = NDArray[np.float64]
Pattern: TypeAlias = "Callable[[Floats, np.random.Generator], Floats]"

# A cell for every square of this side, in um.
SPACING = 10.0
REGIONS_PER_TYPE = 3
# Squared distance, in sides of the tissue, over which the regions of two types mix.
MIXING = 0.05
# Log expression: spread of the programmes in space and in cells, of the gene itself, and of the level by type.
PROGRAMMES = 3
SPATIAL, SHARED_BY_CELL, OWN, BY_TYPE = 0.25, 0.3, 0.45, 0.4
# Length, in sides of the tissue, over which a random field changes, and its number of waves.
FIELD_LENGTH, FIELD_WAVES = 0.25, 20
LOWEST_TYPE_FACTOR, HIGHEST_TYPE_FACTOR = 0.4, 1.6
LIGANDS_PER_FACTOR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaSettings:
    """What regulates the targets of a simulated tissue.

    Parameters
    ----------
    n_targets
        Regulated genes.
    n_types
        Cell types.
    n_factors, n_pairs, n_tf_ligands
        Transcription factors, ligand-receptor pairs and ligand-TF pairs offered to every target.
    sharing
        Share of the ligand-receptor pairs that have the receptor, or the ligand, of another pair.
    zero_share
        Share of the modulators without a coefficient.
    oracle_r2
        R² of the true coefficients for a target.
    radius
        Reach of the ligands in um.
    scale_factor
        Factor of the received ligands; the coefficients refer to it.
    """

    n_targets: Annotated[int, Ge(1)] = 3
    n_types: Annotated[int, Ge(1)] = 5
    n_factors: Annotated[int, Ge(1)] = 10
    n_pairs: Annotated[int, Ge(0)] = 8
    n_tf_ligands: Annotated[int, Ge(0)] = 4
    sharing: Annotated[float, Interval(ge=0, le=1)] = 0.25
    zero_share: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    oracle_r2: Annotated[float, Interval(gt=0, le=1)] = 0.8
    radius: Annotated[float, Interval(gt=0)] = 80.0
    scale_factor: Annotated[float, Interval(gt=0)] = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class TargetTruth:
    """What is true of one target in n cells.

    Parameters
    ----------
    modulators
        Names: ``TF``, ``Ligand$Receptor`` and ``Ligand#TF``.
    betas
        (n, modulators) coefficients.
    intercept
        (n,) constant of the regulation.
    signal
        (n,) the target without noise.
    oracle_r2
        What ``signal`` explains of the variance of the target.
    """

    modulators: tuple[str, ...]
    betas: Floats
    intercept: Floats
    signal: Floats
    oracle_r2: float

    def __post_init__(self) -> None:
        for array in (self.betas, self.intercept, self.signal):
            array.flags.writeable = False

    @property
    def zero(self) -> NDArray[np.bool_]:
        """(modulators,) whether a modulator has no coefficient anywhere."""
        return np.asarray(~self.betas.any(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedBetas:
    """A tissue, what may regulate its targets, and what does.

    Parameters
    ----------
    tissue
        Positions in um, cell types, and expression to be used as it is.
    truth
        By target.
    regulators
        By target: the transcription factors.
    pairs
        ``(ligand, receptor, signaling)``, the same for all targets.
    tf_ligands
        ``(ligand, TF)``, the same for all targets; every ligand is one of a pair.
    radius, scale_factor
        Reach of the ligands in um, and factor of what is received.
    """

    tissue: Tissue
    truth: Mapping[str, TargetTruth]
    regulators: Mapping[str, tuple[str, ...]]
    pairs: tuple[tuple[str, str, str], ...]
    tf_ligands: tuple[tuple[str, str], ...]
    radius: float
    scale_factor: float

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the regulated genes."""
        return tuple(self.truth)


def simulate_betas(n_cells: int = 1000, seed: int = 0, settings: BetaSettings = BetaSettings()) -> SimulatedBetas:
    """Simulate a square tissue of cells at random positions, whose targets have known coefficients.

    Cell types live in regions with mixed borders and differ in the level of every gene. Expression is lognormal and
    correlated by programmes that vary in space and from cell to cell. A coefficient is a pattern over the tissue
    (see ``PATTERNS``) times a factor by cell type, with either sign, in units that make all modulators about equally
    strong. More cells make a larger tissue of the same density, in which the patterns are as many times wider.

    Parameters
    ----------
    n_cells
        Number of cells, at least 50.
    seed
        Seed of every random number; the global random state is neither read nor changed. A target does not depend
        on how many follow it.
    settings
        What regulates the targets.

    Raises
    ------
    DataError
        If there are fewer than 50 cells, or more ligand-TF pairs than ligands and transcription factors can form.
    """
    _check(n_cells, settings)
    tissue_rng, *target_rngs = np.random.default_rng(seed).spawn(1 + settings.n_targets)
    positions = tissue_rng.uniform(0, SPACING * np.sqrt(n_cells), (n_cells, 2))
    place = positions / (SPACING * np.sqrt(n_cells))
    types = _types(place, settings.n_types, tissue_rng)
    factors = tuple(f"Tf{k + 1}" for k in range(settings.n_factors))
    pairs = _pairs(settings)
    tf_ligands = _tf_ligands(factors, [ligand for ligand, _ in pairs], settings.n_tf_ligands, tissue_rng)
    genes = (*factors, *dict.fromkeys(ligand for ligand, _ in pairs), *dict.fromkeys(pair[1] for pair in pairs))
    expression = dict(zip(genes, _expression(place, types, len(genes), tissue_rng).T, strict=True))
    modulators, x = _columns(positions, expression, pairs, tf_ligands, factors, settings)
    truth, made = {}, []
    for k, rng in enumerate(target_rngs):
        truth[f"Target{k + 1}"], y = _target(place, types, modulators, x, settings, rng)
        made.append(y)
    tissue = Tissue(
        cells=tuple(f"cell_{i:05d}" for i in range(n_cells)),
        genes=(*genes, *truth),
        positions=positions,
        expression=np.column_stack([*expression.values(), *made]),
        cell_types=Labels("cell_type", types, tuple(f"type {k + 1}" for k in range(settings.n_types))),
        unit="um",
        source="tissue with known regulation",
        expression_key="imputed_count",
    )
    return SimulatedBetas(
        tissue,
        truth,
        dict.fromkeys(truth, factors),
        tuple((ligand, receptor, SIGNALING) for ligand, receptor in pairs),
        tf_ligands,
        settings.radius,
        settings.scale_factor,
    )


def sinusoidal(place: Floats, rng: np.random.Generator) -> Floats:
    """Return one to two waves along a direction, between 0.1 and 1.9."""
    return 1 + 0.9 * np.sin(2 * np.pi * rng.uniform(1, 2) * _along(place, rng) + rng.uniform(0, 2 * np.pi))


def radial(place: Floats, rng: np.random.Generator) -> Floats:
    """Return a bell of height 2 around a point, a quarter of the tissue wide."""
    squared = ((place - rng.uniform(0.2, 0.8, 2)) ** 2).sum(axis=1)
    return 2 * np.exp(-squared / (2 * 0.25**2))


def gradient(place: Floats, rng: np.random.Generator) -> Floats:
    """Return a straight rise from 0.2 to 1.8 along a direction."""
    along = _along(place, rng)
    return 0.2 + 1.6 * (along - along.min()) / np.ptp(along)


def sign_flip(place: Floats, rng: np.random.Generator) -> Floats:
    """Return a smooth step from -1.2 to 1.2 across the middle of the tissue."""
    along = _along(place, rng)
    return 1.2 * np.tanh(1.5 * (along - along.mean()) / along.std())


PATTERNS: tuple[Pattern, ...] = (sinusoidal, radial, gradient, sign_flip)


def _along(place: Floats, rng: np.random.Generator) -> Floats:
    angle = rng.uniform(0, 2 * np.pi)
    return place @ np.array([np.cos(angle), np.sin(angle)])


def _random_field(place: Floats, rng: np.random.Generator) -> Floats:
    """Return a smooth random field of variance 1, (cells,)."""
    waves = rng.normal(0, 1 / FIELD_LENGTH, (2, FIELD_WAVES))
    return np.asarray(np.cos(place @ waves + rng.uniform(0, 2 * np.pi, FIELD_WAVES)).sum(axis=1)) / np.sqrt(
        FIELD_WAVES / 2
    )


def _types(place: Floats, n_types: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw the type of every cell: the nearest of a few centers of each type, more or less."""
    centers = rng.uniform(0, 1, (REGIONS_PER_TYPE * n_types, 2))
    squared = ((place[:, None] - centers) ** 2).sum(axis=2)
    nearest = (squared - MIXING * rng.gumbel(size=squared.shape)).argmin(axis=1)
    return (nearest % n_types).astype(np.int32)


def _pairs(settings: BetaSettings) -> tuple[tuple[str, str], ...]:
    """Name the pairs: those with ligand and receptor of their own first, then those that borrow one in turn."""
    borrowing = min(round(settings.sharing * settings.n_pairs), max(settings.n_pairs - 1, 0))
    own = settings.n_pairs - borrowing
    pairs = [(f"Lig{k + 1}", f"Rec{k + 1}") for k in range(own)]
    for k in range(borrowing):
        ligand, receptor = pairs[k % own]
        pairs.append((f"Lig{own + k + 1}", receptor) if k % 2 == 0 else (ligand, f"Rec{own + k + 1}"))
    return tuple(pairs)


def _tf_ligands(
    factors: tuple[str, ...], ligands: list[str], number: int, rng: np.random.Generator
) -> tuple[tuple[str, str], ...]:
    """Draw ligand-TF pairs, every transcription factor once before any has a second."""
    ligands = list(dict.fromkeys(ligands))
    chosen: list[tuple[str, str]] = []
    while len(chosen) < number:
        for factor in rng.permutation(factors).tolist()[: number - len(chosen)]:
            free = [ligand for ligand in ligands if (ligand, factor) not in chosen]
            chosen.append((free[int(rng.integers(len(free)))], factor))
    return tuple(sorted(chosen, key=lambda pair: (pair[1], pair[0])))


def _expression(place: Floats, types: NDArray[np.int32], n_genes: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw lognormal expression, (cells, genes)."""
    spatial = np.column_stack([_random_field(place, rng) for _ in range(PROGRAMMES)])
    by_cell = rng.normal(size=(len(place), PROGRAMMES))
    follows = rng.integers(PROGRAMMES, size=(2, n_genes))
    log_level = SPATIAL * spatial[:, follows[0]]
    log_level += SHARED_BY_CELL * rng.choice([-1.0, 1.0], n_genes) * by_cell[:, follows[1]]
    log_level += OWN * rng.normal(size=log_level.shape)
    log_level += BY_TYPE * rng.normal(size=(int(types.max()) + 1, n_genes))[types]
    return np.exp(log_level).astype(np.float32)


def _columns(
    positions: Floats,
    expression: Mapping[str, NDArray[np.float32]],
    pairs: tuple[tuple[str, str], ...],
    tf_ligands: tuple[tuple[str, str], ...],
    factors: tuple[str, ...],
    settings: BetaSettings,
) -> tuple[tuple[str, ...], Floats]:
    """Return the names of all modulators and their (cells, modulators) columns."""
    ligands = tuple(dict.fromkeys(ligand for ligand, _ in pairs))
    sent = np.column_stack([expression[ligand] for ligand in ligands]) if ligands else np.zeros((len(positions), 0))
    reaching = dict(zip(ligands, received(sent, positions, settings.radius, settings.scale_factor).T, strict=True))
    columns = {factor: expression[factor].astype(np.float64) for factor in factors}
    columns |= {f"{ligand}${receptor}": reaching[ligand] * expression[receptor] for ligand, receptor in pairs}
    columns |= {f"{ligand}#{factor}": reaching[ligand] * expression[factor] for ligand, factor in tf_ligands}
    return tuple(columns), np.column_stack(list(columns.values()))


def _target(
    place: Floats,
    types: NDArray[np.int32],
    modulators: tuple[str, ...],
    x: Floats,
    settings: BetaSettings,
    rng: np.random.Generator,
) -> tuple[TargetTruth, NDArray[np.float32]]:
    """Draw the coefficients of one target; return them and its (cells,) expression, whose smallest value is 0."""
    active = rng.permutation(len(modulators))[round(settings.zero_share * len(modulators)) :]
    betas, n_types = np.zeros_like(x), settings.n_types
    for number, k in enumerate(active):
        if number % len(PATTERNS) == 0:
            order = rng.permutation(len(PATTERNS))
        pattern = PATTERNS[order[number % len(PATTERNS)]](place, rng)
        by_type = rng.uniform(LOWEST_TYPE_FACTOR, HIGHEST_TYPE_FACTOR, n_types)
        betas[:, k] = rng.choice([-1.0, 1.0]) * pattern * by_type[types] / x[:, k].std()
    intercept = rng.normal(size=n_types)[types] + 0.5 * _random_field(place, rng)
    signal = intercept + (betas * x).sum(axis=1)
    noise = rng.normal(0, np.sqrt(signal.var() * (1 / settings.oracle_r2 - 1)), len(signal))
    lowest = float((signal + noise).min())
    y = (signal + noise - lowest).astype(np.float32)
    r2 = 1 - float(((y - signal + lowest) ** 2).sum() / ((y - y.mean(dtype=np.float64)) ** 2).sum())
    return TargetTruth(modulators, betas, intercept - lowest, signal - lowest, r2), y


def _check(n_cells: int, settings: BetaSettings) -> None:
    check_request("simulated tissue", n_cells, n_genes=1, fewest_genes=1)
    ligands = min(len({ligand for ligand, _ in _pairs(settings)}), LIGANDS_PER_FACTOR)
    if settings.n_tf_ligands > ligands * settings.n_factors:
        raise DataError(
            f"{settings.n_tf_ligands} ligand-TF pairs were requested, but {ligands * settings.n_factors} are the most "
            f"that {settings.n_factors} transcription factors can have. Request fewer, or more ligand-receptor pairs."
        )
