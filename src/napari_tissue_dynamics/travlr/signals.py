"""How much of each ligand reaches each cell, by distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Generator

Kernel = Literal["gaussian", "truncated"]
Floats = NDArray[np.float64]
Weights: TypeAlias = "NDArray[np.floating] | sparse.csr_array"

# A radius in neighbor distances when none is given.
RADIUS_IN_NEIGHBORS = 8.0
CONTACT_IN_NEIGHBORS = 2.0
# Weight that the truncated kernel still has at its radius.
WEIGHT_AT_RADIUS = 1e-3
# exp(-7²/2) = 2e-11: beyond, a gaussian adds nothing that float32 could hold.
GAUSSIAN_REACH = 7.0
# exp(-80) = 2e-35; smaller weights would be subnormal in float32, which slows products down tenfold.
LOWEST_EXPONENT = -80.0
# Weights held at once, and above how many cells they are held in single precision.
CHUNK = 2**21
SINGLE_PRECISION_ABOVE = 20_000
# Share of the tissue in a cell's reach below which looking up neighbors pays off, judged on some cells.
SPARSE_BELOW = 0.02
SAMPLE = 500


def resolve_radius(positions: Floats, radius: float, contact_distance: float) -> tuple[float, float]:
    """Return the reach of secreted and of contact signals in the unit of the positions.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    radius, contact_distance
        What was asked for; 0 takes 8 and 2 times the median distance to the nearest cell. Cells at the
        same place count once; a single place has the distance 1.
    """
    if radius > 0 and contact_distance > 0:
        return radius, contact_distance
    places = np.unique(positions, axis=0)
    step = 1.0
    if len(places) > 1:
        nearest = np.asarray(cKDTree(places).query(places, k=[2])[0])
        step = float(np.median(nearest))
    return radius or RADIUS_IN_NEIGHBORS * step, contact_distance or CONTACT_IN_NEIGHBORS * step


def received(
    positions: Floats,
    ligands: NDArray[np.float32],
    radii: Floats,
    kernel: Kernel = "gaussian",
    scale_factor: float = 1.0,
) -> NDArray[np.float32]:
    """Run :func:`received_steps` to the end."""
    steps = received_steps(positions, ligands, radii, kernel, scale_factor)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: NDArray[np.float32] = end.value
            return result


def received_steps(
    positions: Floats,
    ligands: NDArray[np.float32],
    radii: Floats,
    kernel: Kernel = "gaussian",
    scale_factor: float = 1.0,
) -> Generator[float, None, NDArray[np.float32]]:
    r"""Sum what all cells send to each cell.

    .. math:: R_{il} = \frac{\text{scale}}{n} \sum_j K_{r_l}(|s_i - s_j|) \, E_{jl}

    with :math:`K_r(d) = \exp(-d^2 / 2 r^2)` (``gaussian``, no cut-off), or the same with :math:`\sigma =
    r / \sqrt{-2 \ln 0.001}` and nothing beyond ``r`` (``truncated``). A cell receives its own ligand.
    Source: SpaceTravLR, received ligands, normalised by the number of cells.

    Parameters
    ----------
    positions
        (cells, 2 or 3).
    ligands
        (cells, ligands) expression.
    radii
        (ligands,) reach in the unit of the positions.
    kernel, scale_factor
        Fall-off with distance, and a factor of every value.

    Yields
    ------
    Share of the work that is done, 0 to 1, a few thousand cells at a time; memory stays below a few
    hundred MB.

    Returns
    -------
    (cells, ligands) float32 in the unit of the expression.
    """
    n = len(positions)
    result = np.zeros(ligands.shape, dtype=np.float32)
    reaches = np.unique(radii)
    for k, radius in enumerate(reaches):
        columns = np.flatnonzero(radii == radius)
        sigma = radius if kernel == "gaussian" else radius / np.sqrt(-2 * np.log(WEIGHT_AT_RADIUS))
        reach = GAUSSIAN_REACH * sigma if kernel == "gaussian" else radius
        weights = _sender_weights(positions, sigma, reach, local=kernel == "truncated")
        sent: Any = np.ascontiguousarray(ligands[:, columns], dtype=_precision(n))
        start = 0
        for block in weights:
            stop = start + block.shape[0]
            result[start:stop, columns] = (scale_factor / n) * (block @ sent)
            start = stop
            yield (k + start / n) / len(reaches)
    return result


def _sender_weights(positions: Floats, sigma: float, reach: float, *, local: bool) -> Generator[Weights, None, None]:
    """Yield the (receivers, cells) weights of one block of receivers after the other."""
    tree = cKDTree(positions)
    n = len(positions)
    sample = positions[:: -(-n // SAMPLE)]
    near = float(np.mean(tree.query_ball_point(sample, reach, return_length=True)))
    if local or near < SPARSE_BELOW * n:
        yield from _near_weights(positions, tree, sigma, reach, rows=1 + int(CHUNK / 4 / near))
    else:
        yield from _all_weights(positions, sigma, rows=max(1, CHUNK // n))


def _near_weights(
    positions: Floats, tree: cKDTree, sigma: float, reach: float, rows: int
) -> Generator[sparse.csr_array, None, None]:
    n = len(positions)
    for start in range(0, n, rows):
        block = positions[start : start + rows]
        near = cKDTree(block).sparse_distance_matrix(tree, reach, output_type="ndarray")
        weight = np.exp(near["v"] ** 2 / (-2 * sigma**2))
        yield sparse.csr_array((weight, (near["i"], near["j"])), shape=(len(block), n))


def _all_weights(positions: Floats, sigma: float, rows: int) -> Generator[NDArray[np.floating], None, None]:
    precision = _precision(len(positions))
    scaled = ((positions - positions.mean(axis=0)) / sigma).astype(precision)
    for start in range(0, len(scaled), rows):
        exponent = np.zeros((len(scaled[start : start + rows]), len(scaled)), dtype=precision)
        for axis in scaled.T:
            step = axis[start : start + rows, None] - axis
            step *= step
            exponent += step
        exponent *= -0.5
        np.maximum(exponent, LOWEST_EXPONENT, out=exponent)
        yield np.exp(exponent, out=exponent)


def _precision(n_cells: int) -> type[np.floating]:
    return np.float32 if n_cells > SINGLE_PRECISION_ABOVE else np.float64
