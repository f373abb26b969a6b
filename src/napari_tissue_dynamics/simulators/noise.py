"""How simulated RNA is measured: noise, zeros, counts and the RNA of neighboring cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.genes import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE_FLOOR = 0.01
MIXED_NEIGHBORS = 6
REAL_DEPTH = 2000.0
REAL_LOSS = 0.3


@dataclass(frozen=True, slots=True)
class Noise:
    """How the RNA of simulated cells is measured; the default is the published noise of the benchmark.

    The steps are applied in this order: mixing, Gaussian noise, counting, dropout, zeros.

    Parameters
    ----------
    gaussian
        Standard deviation of the noise relative to the RNA, at least 0.01 in the unit of the RNA; 0 is none.
    sparsity
        Share of the values that become zero at random, in unspliced and in spliced RNA.
    depth
        Median number of spliced counts of a cell before anything is lost; None leaves continuous values.
        Unspliced RNA is counted with the same capture.
    library_spread
        Standard deviation of the logarithm of the library size of a cell; only counts have a library.
    dropout
        Share of the values of a gene in a cell that are lost at random.
    mixing
        Share of the RNA of a cell that is the mean of its six nearest cells (spots over several cells, or
        borders of cells drawn wrongly).

    Raises
    ------
    DataError
        If a number is out of its range.
    """

    gaussian: float = 0.1
    sparsity: tuple[float, float] = (0.75, 0.75)
    depth: float | None = None
    library_spread: float = 0.4
    dropout: float = 0.0
    mixing: float = 0.0

    def __post_init__(self) -> None:
        _check("gaussian noise", self.gaussian, np.inf)
        _check("library spread", self.library_spread, np.inf)
        _check("sparsity of the unspliced RNA", self.sparsity[0], 1.0)
        _check("sparsity of the spliced RNA", self.sparsity[1], 1.0)
        _check("dropout", self.dropout, 1.0)
        _check("mixing", self.mixing, 1.0)
        if self.depth is not None and not (np.isfinite(self.depth) and self.depth > 0):
            raise DataError(f"A depth of {self.depth} counts was requested; it must be above 0, for example 2000.")

    @classmethod
    def published(cls) -> Noise:
        """Return the noise of the published benchmark: continuous values, three quarters of them zero."""
        return cls()

    @classmethod
    def real(cls) -> Noise:
        """Return noise like that of a real tissue: few counts, uneven libraries, dropout and mixed borders."""
        return cls(gaussian=0.0, sparsity=(0.0, 0.0), depth=REAL_DEPTH, dropout=REAL_LOSS, mixing=REAL_LOSS)

    @classmethod
    def none(cls) -> Noise:
        """Return no noise: the RNA is measured as it is."""
        return cls(gaussian=0.0, sparsity=(0.0, 0.0))


def measure(
    unspliced: NDArray[np.float64],
    spliced: NDArray[np.float64],
    positions: NDArray[np.float64],
    noise: Noise,
    rng: np.random.Generator,
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Measure the RNA of cells.

    Parameters
    ----------
    unspliced, spliced
        (cells, genes) RNA.
    positions
        (cells, 2) coordinates, for the mixing.
    noise
        How to measure.
    rng
        Random numbers.

    Returns
    -------
    Measured unspliced and spliced RNA, CSR float32.
    """
    u, s = (_blurred(rna, positions, noise.mixing) for rna in (unspliced, spliced))
    library = np.ones(len(positions))
    if noise.depth is not None:
        capture = noise.depth / np.median(s.sum(axis=1))
        library = capture * np.exp(rng.normal(0.0, noise.library_spread, len(positions)))
    return _observed(u, library, noise, noise.sparsity[0], rng), _observed(s, library, noise, noise.sparsity[1], rng)


def _blurred(rna: NDArray[np.float64], positions: NDArray[np.float64], mixing: float) -> NDArray[np.float64]:
    """Replace the share ``mixing`` of the RNA of every cell by the mean of its nearest cells."""
    if mixing == 0:
        return rna
    return (1.0 - mixing) * rna + mixing * (_nearest(positions) @ rna)


def _nearest(positions: NDArray[np.float64]) -> sparse.csr_array:
    """Return the matrix (cells, cells) that averages the nearest other cells."""
    n = len(positions)
    near = np.asarray(cKDTree(positions).query(positions, k=MIXED_NEIGHBORS + 1)[1])
    # Cells at one place may hide a cell from its own list; then the farthest leaves the list instead.
    itself = near == np.arange(n)[:, None]
    itself[~itself.any(axis=1), -1] = True
    others = near[~itself]
    starts = np.arange(0, len(others) + 1, MIXED_NEIGHBORS)
    return sparse.csr_array((np.full(len(others), 1.0 / MIXED_NEIGHBORS), others, starts), shape=(n, n))


def _observed(
    rna: NDArray[np.float64], library: NDArray[np.float64], noise: Noise, sparsity: float, rng: np.random.Generator
) -> sparse.csr_array:
    """Add noise, count, and lose values."""
    if noise.gaussian > 0:
        rna = np.maximum(rng.normal(rna, np.maximum(noise.gaussian * rna, NOISE_FLOOR)), 0.0)
    lost = 1.0 - (1.0 - noise.dropout) * (1.0 - sparsity)
    if noise.depth is not None:
        return count(rna, library, lost, rng)
    if lost > 0:
        rna = rna * (rng.random(rna.shape) >= lost)
    return sparse.csr_array(rna.astype(np.float32))


def _check(what: str, value: float, end: float) -> None:
    if not 0 <= value < end:
        limit = "" if end == np.inf else f" and below {end:g}"
        raise DataError(f"A {what} of {value} was requested; it must be at least 0{limit}.")
