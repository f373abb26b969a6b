"""Which genes go up and which go down in a cluster, read from the bend of its phase plot.

Unspliced RNA as a concave function of spliced RNA is the branch of induction, as a convex one that of
repression. The bend is the second derivative of a quadratic spline; where both signs occur, a rank test tells
which of them is the stronger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_DISTINCT = 10
PIECES = 4
BASIS = 6
TRIM = (0.05, 0.95)
BLOCK_VALUES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """The direction of every gene in every cluster.

    Parameters
    ----------
    label
        (clusters, G) int8, 1 up (induction), -1 down (repression), 0 where nothing can be said.
    confidence
        (clusters, G) float32 p-value of the rank test behind the label, small where it is sure and 1 where
        the label is 0.
    """

    label: NDArray[np.int8]
    confidence: NDArray[np.float32]


def curvature_prior(u: NDArray[np.floating], s: NDArray[np.floating], codes: NDArray[np.integer]) -> Curvature:
    """Return the direction of every gene in every cluster.

    Parameters
    ----------
    u, s
        (n, G) scaled unspliced and spliced moments.
    codes
        (n,) clusters from 0.

    Returns
    -------
    One row of labels and p-values per cluster.
    """
    clusters = [cluster_curvature(u[codes == code], s[codes == code]) for code in range(int(codes.max()) + 1)]
    return Curvature(np.stack([label for label, _ in clusters]), np.stack([p for _, p in clusters]))


def cluster_curvature(u: NDArray[np.floating], s: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the direction of every gene in one cluster of cells.

    Parameters
    ----------
    u, s
        (cells, G) scaled unspliced and spliced moments of the cells of the cluster.

    Returns
    -------
    label, confidence
        (G,) each, as the rows of :class:`Curvature`. Genes with fewer than ten distinct values of either
        kind of RNA get the label 0.
    """
    genes = u.shape[1]
    label, confidence = np.zeros(genes, dtype=np.int8), np.ones(genes, dtype=np.float32)
    for block in _blocks(genes, max(len(u), 1)):
        use = block[(_distinct(u[:, block]) >= MIN_DISTINCT) & (_distinct(s[:, block]) >= MIN_DISTINCT)]
        if use.size:
            bend_s = bend(s[:, use], u[:, use])
            bend_u = bend(u[:, use], s[:, use])
            label[use], confidence[use] = decide(*bend_s, *bend_u)
    return label, confidence


def decide(
    f_s: NDArray[np.float64], p_s: NDArray[np.float64], f_u: NDArray[np.float64], p_u: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return the label and its p-value from the bends of u over s and of s over u, (G,) each.

    Where the two bends agree (opposite signs) they decide together, elsewhere the one with the smaller
    p-value does.
    """
    down, up = (f_s > 0) & (f_u < 0), (f_s < 0) & (f_u > 0)
    agree, by_u = down | up, p_u <= p_s
    alone = np.where(by_u, f_u > 0, f_s <= 0)
    label = np.where(np.where(agree, up, alone), 1, -1).astype(np.int8)
    return label, np.minimum(p_u, p_s)


def bend(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return whether y bends up or down over x, and how sure that is, for every column.

    Parameters
    ----------
    x, y
        (cells, G) with at least ten distinct values in every column of x.

    Returns
    -------
    f, p
        (G,) each: difference of the two one-sided p-values of the rank test of the sizes of positive and of
        negative second derivatives, from -1 (concave) to 1 (convex), and the smaller of the two.
    """
    curve, cells = spline_curvature(x, y)
    cells = np.where(_inside_quantiles(curve, cells), cells, 0)
    positive, negative = np.where(curve > 0, cells, 0), np.where(curve < 0, cells, 0)
    greater, less = _rank_test(np.abs(curve), positive, negative)
    f, p = less - greater, np.minimum(less, greater)
    none_positive, none_negative = ~positive.any(axis=1), ~negative.any(axis=1)
    f = np.where(none_positive, -1.0, np.where(none_negative, 1.0, f))
    return f, np.where(none_positive | none_negative, 0.0, p)


def spline_curvature(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fit a quadratic spline to every column and return its second derivative, constant on four pieces.

    Values of y at the same x are averaged first. The three inner knots lie evenly from the second to the
    last but one distinct x.

    Parameters
    ----------
    x, y
        (cells, G) with at least ten distinct values in every column of x.

    Returns
    -------
    curve, cells
        (G, 4) each: second derivative on every piece, and the number of cells there. A cell at a knot
        belongs to the piece on its right.
    """
    x_sorted, at, mean_y, number = _averaged(np.asarray(x, np.float64).T, np.asarray(y, np.float64).T)
    knots = _knots(at, number)
    curve = _second_derivative(_least_squares(at, mean_y, number, knots), knots)
    piece = _piece(x_sorted, knots)
    cells = (piece[:, :, None] == np.arange(PIECES)).sum(axis=1)
    return curve, cells


def _blocks(genes: int, cells: int) -> Iterator[NDArray[np.intp]]:
    size = max(1, BLOCK_VALUES // cells)
    for start in range(0, genes, size):
        yield np.arange(start, min(start + size, genes))


def _distinct(values: NDArray[np.floating]) -> NDArray[np.intp]:
    if not len(values):
        return np.zeros(values.shape[1], dtype=np.intp)
    return 1 + (np.diff(np.sort(values, axis=0), axis=0) > 0).sum(axis=0)


def _averaged(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return (G, n) sorted x, its distinct values and the mean y there, padded, and their (G,) numbers."""
    genes, n = x.shape
    order = np.argsort(x, axis=1, kind="stable")
    x, y = np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)
    group = np.cumsum(np.diff(x, axis=1, prepend=x[:, :1]) > 0, axis=1, dtype=np.int64)
    flat = (group + np.arange(genes)[:, None] * n).ravel()
    count = np.bincount(flat, minlength=genes * n).reshape(genes, n)
    mean_y = np.bincount(flat, y.ravel(), minlength=genes * n).reshape(genes, n) / np.maximum(count, 1)
    at = np.repeat(x[:, -1:], n, axis=1)
    np.put_along_axis(at, group, x, axis=1)
    return x, at, mean_y, group[:, -1] + 1


def _knots(at: NDArray[np.float64], number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (G, 9) knots of a quadratic spline on four pieces."""
    rows = np.arange(len(at))
    first, second = at[:, 0], at[:, 1]
    last, before_last = at[rows, number - 1], at[rows, number - 2]
    inner = np.linspace(second, before_last, PIECES - 1, axis=1)
    return np.column_stack([first, first, first, inner, last, last, last])


def _piece(x: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.int64]:
    return (x[:, :, None] >= knots[:, None, 3:6]).sum(axis=2)


def _least_squares(
    at: NDArray[np.float64], y: NDArray[np.float64], number: NDArray[np.int64], knots: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (G, 6) coefficients of the splines that fit best; padding has no weight."""
    used = np.arange(at.shape[1]) < number[:, None]
    design = _basis(at, knots) * used[:, :, None]
    q, r = np.linalg.qr(design)
    right = np.einsum("gnb,gn->gb", q, y * used)
    return np.einsum("gab,gb->ga", np.linalg.pinv(r, rcond=1e-13), right)


def _basis(x: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (G, n, 6) quadratic B-splines at x by the recursion of Cox and de Boor."""
    piece = _piece(x, knots)
    before, left, right, after = (np.take_along_axis(knots, piece + offset, axis=1) for offset in (1, 2, 3, 4))
    share = (x - left) / (right - left)
    values = np.zeros((*x.shape, BASIS))
    parts = (
        (1 - share) * (right - x) / (right - before),
        (1 - share) * (x - before) / (right - before) + share * (after - x) / (after - left),
        share * (x - left) / (after - left),
    )
    for offset, part in enumerate(parts):
        np.put_along_axis(values, (piece + offset)[:, :, None], part[:, :, None], axis=2)
    return values


def _second_derivative(coefficients: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    slope = 2 * np.diff(coefficients, axis=1) / (knots[:, 3:8] - knots[:, 1:6])
    return np.diff(slope, axis=1) / (knots[:, 3:7] - knots[:, 2:6])


def _inside_quantiles(curve: NDArray[np.float64], cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the (G, 4) values lie between the two quantiles of the values of all cells."""
    order = np.argsort(curve, axis=1)
    values = np.take_along_axis(curve, order, axis=1)
    upto = np.cumsum(np.take_along_axis(cells, order, axis=1), axis=1)
    low, high = (_quantile(values, upto, q) for q in TRIM)
    return (curve >= low[:, None]) & (curve <= high[:, None])


def _quantile(values: NDArray[np.float64], upto: NDArray[np.int64], q: float) -> NDArray[np.float64]:
    place = (upto[:, -1] - 1) * q
    below = np.floor(place).astype(np.int64)
    rows = np.arange(len(values))
    low, high = (values[rows, (upto <= rank[:, None]).sum(axis=1)] for rank in (below, np.ceil(place).astype(np.int64)))
    return low + (high - low) * (place - below)


def _rank_test(
    size: NDArray[np.float64], one: NDArray[np.int64], other: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the one-sided p-values of the Mann-Whitney test of repeated values, normal approximation.

    ``size`` (G, 4) holds the values and ``one`` and ``other`` how often each occurs in the two samples.
    """
    from scipy.stats import norm

    both = one + other
    same = size[:, :, None] == size[:, None, :]
    less = ((size[:, None, :] < size[:, :, None]) * both[:, None, :]).sum(axis=2)
    equal = (same * both[:, None, :]).sum(axis=2)
    rank = less + (equal + 1) / 2
    n_one, n_other = one.sum(axis=1).astype(float), other.sum(axis=1).astype(float)
    n = n_one + n_other
    u_one = (one * rank).sum(axis=1) - n_one * (n_one + 1) / 2
    ties = (both * (equal.astype(float) ** 2 - 1)).sum(axis=1)
    variance = n_one * n_other / 12 * (n + 1 - ties / np.maximum(n * (n - 1), 1))
    deviation = np.sqrt(np.maximum(variance, 0))
    p_values = []
    for u in (u_one, n_one * n_other - u_one):
        above = u - n_one * n_other / 2 - 0.5
        z = np.divide(above, deviation, out=np.full_like(above, -np.inf), where=deviation > 0)
        p_values.append(norm.sf(z))
    return p_values[0], p_values[1]
