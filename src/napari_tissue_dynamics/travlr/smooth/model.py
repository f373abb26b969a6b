r"""Coefficients that vary smoothly over a tissue and between cell types, by restricted likelihood.

For cell i of type c at place s, with the columns z (the first is 1, the others centered within each type and divided by
their spread),

.. math:: y_i = \sum_k \beta_k(s_i, c_i)\, z_{ik} + \epsilon_i, \qquad
    \beta_k(s, c) = \sum_j \phi_j(s)\,(\theta_{kj} + \vartheta_{ckj}), \qquad \epsilon_i \sim N(0, \sigma_c^2)

What all types have in common, :math:`\theta`, may use every function; the deviation of a type, :math:`\vartheta`, the
broad ones only. Both are normal around 0 with a variance that is the strength of the modulator times a share: of the
constant or the field, common or by type, broad or fine. Strengths and shares are those that maximize the likelihood
with all coefficients integrated out, so the whole map of a modulator that explains nothing is shrunk to nothing.
Source: type-II likelihood by fixed-point steps, MacKay, Neural Computation 4 (1992) 415.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

from napari_tissue_dynamics.compute import one_blas_thread
from napari_tissue_dynamics.travlr.smooth.hierarchy import Block, Prior, SumsBlock, eliminated, lower_inverse

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_tissue_dynamics.travlr.smooth.moments import Moments

Floats = NDArray[np.floating]

STEPS = 8
# A modulator's share of the variance of y below which it has no coefficients.
NOTHING = 1e-5
# Largest change of a modulator's strength, and of the shares, in one step.
FASTEST, FASTEST_SHARE = 1e3, 5.0
SMALLEST = 1e-300
# Fall-off of the variances with the wave number, before the data are taken into account: (1 + (w / BROAD)²)^-STEEP.
BROAD, STEEP = 1.3, 2.5
CONSTANT, FIELD, TYPE_CONSTANT, TYPE_FIELD = range(4)


@dataclass(slots=True, eq=False)
class Variances:
    """What is learned before the coefficients.

    Parameters
    ----------
    groups
        (modulators, 4) variances; see ``CONSTANT`` to ``TYPE_FIELD``.
    spectrum
        (functions,) how the variance of a field is shared out to the functions; sums to 1 without the constant.
    noise
        (types,) variance of what is left.
    """

    groups: Floats
    spectrum: Floats
    noise: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Coefficients given the data.

    Parameters
    ----------
    by_type
        (types, modulators, functions) means of all coefficients of each type.
    variances
        Those that were used.
    reduced
        The equations that were solved, in which lies how certain the coefficients are.
    """

    by_type: Floats
    variances: Variances
    reduced: Reduced

    @property
    def columns(self) -> NDArray[np.intp]:
        """Which of the modulator-by-function columns are not 0."""
        return self.reduced.prior.columns


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns are arranged.

    Parameters
    ----------
    modulators, functions
        Numbers of modulators (the constant counts) and functions.
    broad
        How many of the functions the deviation of a type may use; 0 when there is a single type.
    wave_numbers
        (functions,) half waves.
    """

    modulators: int
    functions: int
    broad: int
    wave_numbers: Floats

    @property
    def shells(self) -> NDArray[np.intp]:
        """(functions,) functions of like fineness have one number; the constant has 0."""
        return np.asarray(np.ceil(self.wave_numbers - 1e-9), dtype=np.intp)


def start(data: Moments, layout: Layout) -> Variances:
    """Return variances that share what varies evenly among the modulators."""
    total = data.mean_square
    spectrum = (1 + (layout.wave_numbers / BROAD) ** 2) ** -STEEP
    spectrum[0] = 0
    spectrum /= max(float(spectrum.sum()), SMALLEST)
    groups = np.full((layout.modulators, 4), total / layout.modulators / 4)
    if not layout.broad:
        groups[:, TYPE_CONSTANT:] = 0
    return Variances(groups, spectrum, np.full(len(data.types), 0.3 * total))


def learn_steps(
    data: Moments, layout: Layout, variances: Variances | None = None, steps: int = STEPS
) -> Generator[float, None, Posterior]:
    """Find the variances and with them the coefficients.

    Parameters
    ----------
    variances
        To begin with; default: the same for all.

    Yields
    ------
    Share of the work that is done.
    """
    found = variances or start(data, layout)
    total = data.mean_square
    for step in range(steps):
        with one_blas_thread():
            solved = _solve(data, layout, found)
        found = _updated(data, layout, found, solved, total)
        yield (step + 1) / (steps + 1)
    return posterior(data, layout, found)


@one_blas_thread()
def posterior(data: Moments, layout: Layout, variances: Variances) -> Posterior:
    """Return the coefficients for given variances."""
    reduced = reduced_to_common(data, layout, variances)
    return Posterior(_spread_out(reduced.means, reduced.prior.columns, layout), variances, reduced)


def _spread_out(means: Floats, columns: NDArray[np.intp], layout: Layout) -> Floats:
    result = np.zeros((len(means), layout.modulators * layout.functions))
    result[:, columns] = means
    return result.reshape(len(means), layout.modulators, layout.functions)


def prior_variances(layout: Layout, variances: Variances) -> tuple[Floats, Floats]:
    """Return the variances before the data of the common part and of a type's deviation, (columns,) each."""
    common = np.outer(variances.groups[:, FIELD], variances.spectrum)
    common[:, 0] = variances.groups[:, CONSTANT]
    own = np.zeros_like(common)
    if layout.broad:
        share = variances.spectrum[: layout.broad] / max(float(variances.spectrum[: layout.broad].sum()), SMALLEST)
        own[:, : layout.broad] = np.outer(variances.groups[:, TYPE_FIELD], share)
        own[:, 0] = variances.groups[:, TYPE_CONSTANT]
    return common.ravel(), own.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """The equations of the common part once the deviations are eliminated; all whitened by the prior.

    Parameters
    ----------
    prior
        Which columns have a variance, and which.
    root
        Cholesky factor of the matrix of the equations.
    common
        Their solution.
    blocks
        What was eliminated, of each type.
    """

    prior: Prior
    root: Floats
    common: Floats
    blocks: list[Block]

    @property
    def means(self) -> Floats:
        """The coefficients that are not 0, (types, columns)."""
        return np.array([self.prior.mean(self.common, block.deviation(self.common)) for block in self.blocks])


def reduced_to_common(data: Moments, layout: Layout, variances: Variances) -> Reduced:
    """Set up and solve the equations; given the common part types are independent: each is eliminated by itself."""
    prior = Prior.of(*prior_variances(layout, variances))
    noise = variances.noise.astype(np.float32)
    blocks = [eliminated(part, prior, noise[c]) for c, part in enumerate(data.types)]
    matrix, right = np.eye(len(prior.columns), dtype=np.float32), np.zeros(len(prior.columns), dtype=np.float32)
    for block in blocks:
        matrix += block.left
        right += block.right
    root = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
    return Reduced(prior, root, cho_solve((root, True), right, check_finite=False), blocks)


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """One solution: what the next step needs."""

    columns: NDArray[np.intp]
    broad: NDArray[np.intp]
    means: Floats  # (types, columns)
    freedom: Floats  # (types,) degrees of freedom that each type has taken up
    common_size: Floats  # whitened mean² of the common part
    common_freed: Floats  # 1 - its whitened variance
    type_size: Floats  # the same of the deviations, summed over types
    type_freed: Floats


def _solve(data: Moments, layout: Layout, variances: Variances) -> _Solved:
    """Return the coefficients and their available spread, without the covariances.

    The degrees of freedom of a type, tr(G C) / noise with its moments G and the covariance C of its coefficients, are
    tr((W - B T⁻¹ B') M⁻¹) for the common part, with M the matrix of the reduced equations, plus those of its deviation.
    """
    reduced = reduced_to_common(data, layout, variances)
    prior, root = reduced.prior, lower_inverse(reduced.root)
    summed = any(isinstance(block, SumsBlock) for block in reduced.blocks)
    inverse = root.T @ root if summed else None
    type_size, type_freed = np.zeros(len(prior.broad)), np.zeros(len(prior.broad))
    means, freedom = [], np.zeros(len(reduced.blocks))
    for c, block in enumerate(reduced.blocks):
        deviation = block.deviation(reduced.common)
        means.append(prior.mean(reduced.common, deviation))
        freed, freedom[c] = block.spread(root, inverse)
        type_size += deviation**2
        type_freed += freed
    common_freed = 1 - (root**2).sum(axis=0)
    return _Solved(
        prior.columns, prior.broad, np.array(means), freedom, reduced.common**2, common_freed, type_size, type_freed
    )


def _updated(data: Moments, layout: Layout, old: Variances, solved: _Solved, total: float) -> Variances:
    """Return the variances of the next step.

    The strength of a modulator is its own; how it is shared out to constant and field, common and by type, is learned
    from all modulators of the gene together: one modulator is not informative enough for four variances.
    """
    modulator, function = np.divmod(solved.columns, layout.functions)
    group = np.where(function == 0, CONSTANT, FIELD)
    size, freed = np.zeros_like(old.groups), np.zeros_like(old.groups)
    np.add.at(size, (modulator, group), solved.common_size)
    np.add.at(freed, (modulator, group), solved.common_freed)
    np.add.at(size, (modulator[solved.broad], 2 + group[solved.broad]), solved.type_size)
    np.add.at(freed, (modulator[solved.broad], 2 + group[solved.broad]), solved.type_freed)
    ratio = np.empty_like(size)
    ratio[0] = _ratio(size[0], freed[0], FASTEST)  # the intercept is unlike any modulator
    strength = _ratio(size[1:].sum(axis=1), freed[1:].sum(axis=1), FASTEST)[:, None]
    ratio[1:] = strength * _ratio(size[1:].sum(axis=0), (strength * freed[1:]).sum(axis=0), FASTEST_SHARE)
    groups = old.groups * ratio
    groups[groups < NOTHING * total] = 0
    # A deviation has its place among the common columns: next to nothing is kept there for its sake.
    for common, own in ((CONSTANT, TYPE_CONSTANT), (FIELD, TYPE_FIELD)):
        groups[(groups[:, common] == 0) & (groups[:, own] > 0), common] = NOTHING * total
    return Variances(groups, _spectrum(layout, old, solved, ratio, function), _noise(data, old, solved))


def _ratio(size: Floats, freed: Floats, limit: float) -> Floats:
    return np.asarray(np.clip(size / np.maximum(freed, 1e-12), 1 / limit, limit))


def _spectrum(layout: Layout, old: Variances, solved: _Solved, ratio: Floats, function: NDArray[np.intp]) -> Floats:
    """Shift the variance between broad and fine functions, alike for all modulators of the gene."""
    modulator = solved.columns // layout.functions
    shells = layout.shells[function]
    inside = shells > 0
    expected = ratio[modulator[inside], FIELD] * solved.common_freed[inside]
    size = np.bincount(shells[inside], solved.common_size[inside], minlength=shells.max(initial=0) + 1)
    freed = np.bincount(shells[inside], expected, minlength=shells.max(initial=0) + 1)
    shift = np.ones(int(layout.shells.max()) + 1)
    shift[: len(size)] = np.clip((size + 1) / (freed + 1), 0.2, 5.0)
    spectrum = old.spectrum * shift[layout.shells]
    return spectrum / max(float(spectrum.sum()), SMALLEST)


def _noise(data: Moments, old: Variances, solved: _Solved) -> Floats:
    """Return the expected square of what is left in each type."""
    noise = np.empty_like(old.noise)
    for c, part in enumerate(data.types):
        left = part.of(solved.columns).squares_left(solved.means[c]) + old.noise[c] * solved.freedom[c]
        # with few cells the type borrows from what was before
        noise[c] = (max(left, 0.0) + 2 * old.noise[c]) / (part.cells + 2)
    return np.maximum(noise, 1e-8 * data.mean_square)
