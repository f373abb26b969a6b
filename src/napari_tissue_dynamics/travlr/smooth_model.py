r"""Coefficients that vary smoothly over a tissue and between cell types, by restricted likelihood.

For cell i of type c at place s, with the columns z (the first is 1, the others centred within each type and divided by
their spread),

.. math:: y_i = \sum_k \beta_k(s_i, c_i)\, z_{ik} + \epsilon_i, \qquad
    \beta_k(s, c) = \sum_j \phi_j(s)\,(\theta_{kj} + \vartheta_{ckj}), \qquad \epsilon_i \sim N(0, \sigma_c^2)

What all types have in common, :math:`\theta`, may use every function; the deviation of a type, :math:`\vartheta`, the
broad ones only. Both are normal around 0 with a variance that is the strength of the modulator times a share: of the
constant or the field, common or by type, broad or fine. Strengths and shares are those that maximise the likelihood
with all coefficients integrated out, so the whole map of a modulator that explains nothing is shrunk to nothing.
Source: type-II likelihood by fixed-point steps, MacKay, Neural Computation 4 (1992) 415.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, cho_solve, cholesky, lapack

from napari_tissue_dynamics.compute import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Generator

Floats = NDArray[np.floating]

STEPS = 8
# A modulator's share of the variance of y below which it has no coefficients.
NOTHING = 1e-5
# Largest change of a modulator's strength, and of the shares, in one step.
FASTEST, FASTEST_SHARE = 1e3, 5.0
SMALLEST = 1e-300
# Fall-off of the variances with the wave number, before the data have had their say: (1 + (w / BROAD)²)^-STEEP.
BROAD, STEEP = 1.3, 2.5
CONSTANT, FIELD, TYPE_CONSTANT, TYPE_FIELD = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What the data say, summed over the cells of each type.

    Parameters
    ----------
    gram
        (types, columns, columns) of all products of a modulator and a function, modulator by modulator.
    cross
        (types, columns) the same with y.
    power
        (types,) sums of y².
    cells
        (types,) numbers of cells.
    """

    gram: NDArray[np.float32]
    cross: NDArray[np.float32]
    power: Floats
    cells: Floats

    def without(self, other: Moments) -> Moments:
        """Return what is left when some cells are taken out."""
        return Moments(
            self.gram - other.gram, self.cross - other.cross, self.power - other.power, self.cells - other.cells
        )

    def of(self, columns: NDArray[np.intp]) -> Moments:
        """Return the same of some columns only."""
        if len(columns) == self.cross.shape[1]:
            return self
        return Moments(self.gram[:, columns[:, None], columns], self.cross[:, columns], self.power, self.cells)


@one_blas_thread()
def moments(
    z: NDArray[np.float32], basis: NDArray[np.float32], y: Floats, codes: NDArray[np.integer], types: int
) -> Moments:
    """Sum the products of (cells, modulators) ``z`` and (cells, functions) ``basis`` over the cells of each type."""
    width = z.shape[1] * basis.shape[1]
    gram, cross = np.zeros((types, width, width), dtype=np.float32), np.zeros((types, width), dtype=np.float32)
    power, cells = np.zeros(types), np.zeros(types)
    for c in range(types):
        rows = np.flatnonzero(codes == c)
        for part in np.array_split(rows, max(1, -(-len(rows) * width // 2**23))):
            columns = products(z[part], basis[part])
            gram[c] += columns.T @ columns
            cross[c] += columns.T @ y[part].astype(np.float32)
        power[c], cells[c] = float(y[rows] @ y[rows]), len(rows)
    return Moments(gram, cross, power, cells)


def products(z: NDArray[np.float32], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return all products of a modulator and a function, (cells, modulators * functions), modulator by modulator."""
    return (z[:, :, None] * basis[:, None, :]).reshape(len(z), z.shape[1] * basis.shape[1])


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
    covariance
        (types, columns, columns) of the coefficients of each type that are not 0, in the order of ``columns``.
    columns
        (columns,) which of the modulator-by-function columns are not 0.
    variances
        Those that were used.
    """

    by_type: Floats
    covariance: Floats
    columns: NDArray[np.intp]
    variances: Variances


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
    total = max(float(data.power.sum() / max(data.cells.sum(), 1)), SMALLEST)
    spectrum = (1 + (layout.wave_numbers / BROAD) ** 2) ** -STEEP
    spectrum[0] = 0
    spectrum /= max(float(spectrum.sum()), SMALLEST)
    groups = np.full((layout.modulators, 4), total / layout.modulators / 4)
    if not layout.broad:
        groups[:, TYPE_CONSTANT:] = 0
    return Variances(groups, spectrum, np.full(len(data.cells), 0.3 * total))


def learn_steps(
    data: Moments, layout: Layout, variances: Variances | None = None, steps: int = STEPS
) -> Generator[float, None, Posterior]:
    """Find the variances and with them the coefficients.

    Parameters
    ----------
    data
        Sums over the cells.
    layout
        How the columns are arranged.
    variances
        To begin with; default: the same for all.
    steps
        Number of fixed-point steps.

    Yields
    ------
    Share of the work that is done.
    """
    found = variances or start(data, layout)
    total = max(float(data.power.sum() / max(data.cells.sum(), 1)), SMALLEST)
    for step in range(steps):
        with one_blas_thread():
            solved = _solve(data, layout, found)
        found = _updated(data, layout, found, solved, total)
        yield (step + 1) / (steps + 1)
    return posterior(data, layout, found)


@one_blas_thread()
def posterior(data: Moments, layout: Layout, variances: Variances) -> Posterior:
    """Return the coefficients for given variances, with their covariance."""
    reduced = _eliminated(data, layout, variances)
    by_type = _spread_out(_means(reduced), reduced.columns, layout)
    return Posterior(by_type, _covariances(reduced), reduced.columns, variances)


@one_blas_thread()
def coefficients(data: Moments, layout: Layout, variances: Variances) -> Floats:
    """Return the (types, modulators, functions) coefficients alone, for a third of the work."""
    reduced = _eliminated(data, layout, variances)
    return _spread_out(_means(reduced), reduced.columns, layout)


def _means(reduced: _Reduced) -> Floats:
    """Return the coefficients that are not 0, (types, columns)."""
    factor = cholesky(reduced.matrix, lower=True, check_finite=False)
    common = cho_solve((factor, True), reduced.right)
    return np.array([reduced.mean(common, block.deviation(common)) for block in reduced.blocks])


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
class _Block:
    """The deviation of one type, eliminated: with T = L L', half = L⁻¹ B' and own = L⁻¹ times the right-hand side."""

    factor: Floats
    half: Floats
    own: Floats
    left: Floats  # what the type says of the common part: W - B T⁻¹ B'

    def deviation(self, common: Floats) -> Floats:
        """Return the whitened deviation that goes with a whitened common part."""
        return np.asarray(_solved_back(self.factor, (self.own - self.half @ common)[:, None])[:, 0])

    @property
    def link(self) -> Floats:
        """T⁻¹ B'."""
        return _solved_back(self.factor, self.half)


@dataclass(frozen=True, slots=True, eq=False)
class _Reduced:
    """The equations of the common part once the deviations are eliminated; all whitened by the prior."""

    columns: NDArray[np.intp]  # which of all columns have a variance
    broad: NDArray[np.intp]  # those of the deviations, as places in ``columns``
    scale: Floats  # prior deviations of the common part
    type_scale: Floats
    matrix: Floats
    right: Floats
    blocks: list[_Block]

    def mean(self, common: Floats, deviation: Floats) -> Floats:
        """Return the coefficients of one type, whitening undone."""
        result = self.scale * common
        result[self.broad] += self.type_scale * deviation
        return np.asarray(result)


def _eliminated(data: Moments, layout: Layout, variances: Variances) -> _Reduced:
    """Set up the equations; given the common part the types are independent, so each is eliminated by itself."""
    common, own = prior_variances(layout, variances)
    columns = np.flatnonzero(common > 0)
    scale = np.sqrt(common[columns]).astype(np.float32)
    broad = np.flatnonzero(own[columns] > 0)
    type_scale = np.sqrt(own[columns][broad]).astype(np.float32)
    relative = type_scale / scale[broad]
    part = data.of(columns)
    scales = scale * scale[:, None]
    matrix, right, blocks = np.eye(len(columns), dtype=np.float32), np.zeros(len(columns), dtype=np.float32), []
    for c, noise in enumerate(variances.noise.astype(np.float32)):
        white = part.gram[c] * scales
        white *= 1 / noise
        cross = part.cross[c] / noise
        between = white[broad]
        between *= relative[:, None]
        own_block = between[:, broad] * relative
        own_block.flat[:: len(broad) + 1] += 1
        factor = cholesky(own_block, lower=True, overwrite_a=True, check_finite=False)
        half = _solved(factor, between)
        from_own = _solved(factor, (cross[broad] * type_scale)[:, None])[:, 0]
        white -= half.T @ half
        matrix += white
        right += scale * cross - half.T @ from_own
        blocks.append(_Block(factor, half, from_own, white))
    return _Reduced(columns, broad, scale, type_scale, matrix, right, blocks)


def _solved(factor: Floats, right: Floats) -> Floats:
    """Return L⁻¹ ``right``; (rows, many) arrays are passed on as they lie in memory, without a copy."""
    trsm = blas.strsm if factor.dtype == np.float32 else blas.dtrsm
    return np.asarray(trsm(1.0, factor, right.T, side=1, lower=1, trans_a=1).T)


def _solved_back(factor: Floats, right: Floats) -> Floats:
    """Return L'⁻¹ ``right``."""
    trsm = blas.strsm if factor.dtype == np.float32 else blas.dtrsm
    return np.asarray(trsm(1.0, factor, right.T, side=1, lower=1).T)


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
    """Return the coefficients and what is known of their spread, without the covariances.

    The degrees of freedom of a type, tr(G C) / noise with its moments G and the covariance C of its coefficients, are
    tr((W - B T⁻¹ B') M⁻¹) for the common part, with M the matrix of the reduced equations, plus those of its deviation.
    """
    reduced = _eliminated(data, layout, variances)
    inverse = symmetric_inverse(reduced.matrix)
    common = inverse @ reduced.right
    broad = reduced.broad
    means, freedom = [], np.zeros(len(reduced.blocks))
    type_size, type_freed = np.zeros(len(broad)), np.zeros(len(broad))
    for c, block in enumerate(reduced.blocks):
        deviation, link = block.deviation(common), block.link
        own = (_lower_inverse(block.factor) ** 2).sum(axis=0) + ((link @ inverse) * link).sum(axis=1)
        means.append(reduced.mean(common, deviation))
        freedom[c] = np.vdot(block.left, inverse) + (1 - own).sum()
        type_size += deviation**2
        type_freed += 1 - own
    freed = 1 - np.diag(inverse)
    return _Solved(reduced.columns, broad, np.array(means), freedom, common**2, freed, type_size, type_freed)


def _covariances(reduced: _Reduced) -> Floats:
    """Return the covariances of the coefficients of each type, (types, columns, columns)."""
    broad, scale, type_scale = reduced.broad, reduced.scale, reduced.type_scale
    inverse = symmetric_inverse(reduced.matrix)
    common = inverse * scale * scale[:, None]
    covariances = []
    for block in reduced.blocks:
        link = block.link
        mixed = link @ inverse  # minus the covariance of the deviation and the common part
        whole = _lower_inverse(block.factor)
        own = whole.T @ whole + mixed @ link.T
        covariance = common.copy()
        mixed *= type_scale[:, None] * scale
        covariance[broad] -= mixed
        covariance[:, broad] -= mixed.T
        covariance[broad[:, None], broad] += own * type_scale * type_scale[:, None]
        covariances.append(covariance)
    return np.array(covariances)


def _lower_inverse(factor: Floats) -> Floats:
    """Return the inverse of a lower triangular matrix."""
    inverse, _ = (lapack.strtri if factor.dtype == np.float32 else lapack.dtrtri)(factor, lower=1)
    return np.asarray(np.tril(inverse))


def _updated(data: Moments, layout: Layout, old: Variances, solved: _Solved, total: float) -> Variances:
    """Return the variances of the next step.

    The strength of a modulator is its own; how it is shared out to constant and field, common and by type, is learned
    from all modulators of the gene together: one modulator says too little about four variances.
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
    part = data.of(solved.columns)
    noise = np.empty_like(old.noise)
    for c, cells in enumerate(part.cells):
        mean = solved.means[c]
        left = part.power[c] - 2 * mean @ part.cross[c] + mean @ part.gram[c] @ mean
        left += old.noise[c] * solved.freedom[c]
        # with few cells the type borrows from what was before
        noise[c] = (max(left, 0.0) + 2 * old.noise[c]) / (cells + 2)
    return np.maximum(noise, 1e-8 * max(float(data.power.sum() / max(data.cells.sum(), 1)), SMALLEST))


def symmetric_inverse(matrix: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix."""
    factor = cholesky(matrix, lower=True, check_finite=False)
    half, _ = (lapack.spotri if factor.dtype == np.float32 else lapack.dpotri)(factor, lower=1, overwrite_c=1)
    return np.tril(half) + np.tril(half, -1).T
