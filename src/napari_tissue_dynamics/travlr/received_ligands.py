"""How much of each ligand reaches each cell, by distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import drained, share_of
from napari_tissue_dynamics.travlr.grid_diffusion import Grid, diffuse_steps

if TYPE_CHECKING:
    from collections.abc import Generator

Kernel = Literal["gaussian", "truncated"]
Diffusion = Literal["auto", "exact", "grid"]
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
SAMPLE, SENDERS = 500, 50_000
# Tissues of up to this many cells are summed exactly within seconds.
EXACT_BELOW = 5_000
# Work in multiplications: making one weight of the exact sum, and one point of the grid (there and back).
WEIGHT_WORK, POINT_WORK = 40, 40
# The grid must save this factor, and have no more points than this (0.5 GB).
GAIN = 2.0
MOST_POINTS = 2**27


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
    diffusion: Diffusion = "auto",
) -> NDArray[np.float32]:
    """Run :func:`received_steps` to the end."""
    return drained(received_steps(positions, ligands, radii, kernel, scale_factor, diffusion))


def received_steps(
    positions: Floats,
    ligands: NDArray[np.float32],
    radii: Floats,
    kernel: Kernel = "gaussian",
    scale_factor: float = 1.0,
    diffusion: Diffusion = "auto",
) -> Generator[float, None, NDArray[np.float32]]:
    r"""Sum what all cells send to each cell.

    .. math:: R_{il} = \frac{\text{scale}}{n} \sum_j K_{r_l}(|s_i - s_j|) \, E_{jl}

    with :math:`K_r(d) = \exp(-d^2 / 2 r^2)` (``gaussian``, no cut-off), or the same with :math:`\sigma =
    r / \sqrt{-2 \ln 0.001}` and nothing beyond ``r`` (``truncated``). A cell receives its own ligand.
    Source: SpaceTravLR, received ligands, normalized by the number of cells.

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
    diffusion
        ``exact``: a sum over all pairs of cells. ``grid``: through a regular grid, within 0.1 % of the largest value
        of each ligand (:mod:`~napari_tissue_dynamics.travlr.grid_diffusion`). ``auto``: through a grid in tissues of
        more than 5 000 cells where that is less than half the work. The truncated kernel, which has a rim and few
        senders in reach, is always summed exactly.

    Yields
    ------
    Share of the work that is done, 0 to 1, a few thousand cells at a time; memory stays below a few
    hundred MB.

    Returns
    -------
    (cells, ligands) float32 in the unit of the expression.

    Raises
    ------
    DataError
        If a grid was asked for and would need more than 134 million points.
    """
    n = len(positions)
    result = np.zeros(ligands.shape, dtype=np.float32)
    reaches = np.unique(radii)
    for k, radius in enumerate(reaches):
        columns = np.flatnonzero(radii == radius)
        sigma = radius if kernel == "gaussian" else radius / np.sqrt(-2 * np.log(WEIGHT_AT_RADIUS))
        reach = GAUSSIAN_REACH * sigma if kernel == "gaussian" else radius
        sent = ligands[:, columns]
        grid = _grid_for(positions, sigma, len(columns), diffusion) if kernel == "gaussian" else None
        steps = (
            _exact_steps(positions, sent, sigma, reach, local=kernel == "truncated")
            if grid is None
            else diffuse_steps(positions, sent.astype(np.float32, copy=False), sigma, grid)
        )
        found = yield from share_of(steps, k, len(reaches))
        result[:, columns] = (scale_factor / n) * found
    return result


def _grid_for(positions: Floats, sigma: float, n_ligands: int, diffusion: Diffusion) -> Grid | None:
    """Return the grid to diffuse on, or None for the exact sum."""
    n, dimensions = positions.shape
    if diffusion == "exact" or (diffusion == "auto" and n <= EXACT_BELOW):
        return None
    grid = Grid.over(positions, sigma)
    if diffusion == "grid":
        if grid.size > MOST_POINTS:
            raise DataError(
                f"A grid for signals that reach {sigma:.3g} would need {grid.size:,} points to cover the tissue; at "
                f"most {MOST_POINTS:,} are possible. Choose diffusion 'auto' or 'exact', or remove isolated cells."
            )
        return grid
    if grid.size > MOST_POINTS:
        return None
    near = _near(positions, GAUSSIAN_REACH * sigma)
    exact = n * (near if near < SPARSE_BELOW * n else n) * (WEIGHT_WORK + n_ligands)
    gridded = n_ligands * (2.0 * n * 3**dimensions + POINT_WORK * grid.size)
    return grid if GAIN * gridded < exact else None


def _exact_steps(
    positions: Floats, ligands: NDArray[np.floating], sigma: float, reach: float, *, local: bool
) -> Generator[float, None, NDArray[np.floating]]:
    n = len(positions)
    sent: Any = np.ascontiguousarray(ligands, dtype=_precision(n))
    result, start = np.empty(ligands.shape, dtype=_precision(n)), 0
    for block in _sender_weights(positions, sigma, reach, local=local):
        stop = start + block.shape[0]
        result[start:stop] = block @ sent
        start = stop
        yield start / n
    return result


def _near(positions: Floats, reach: float) -> float:
    """Return the mean number of cells in reach, judged on some cells."""
    some = positions[:: -(-len(positions) // SENDERS)]
    counts = cKDTree(some).query_ball_point(some[:: -(-len(some) // SAMPLE)], reach, return_length=True)
    return float(np.mean(counts)) * len(positions) / len(some)


def _sender_weights(positions: Floats, sigma: float, reach: float, *, local: bool) -> Generator[Weights, None, None]:
    """Yield the (receivers, cells) weights of one block of receivers after the other."""
    tree = cKDTree(positions)
    n = len(positions)
    near = _near(positions, reach)
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
