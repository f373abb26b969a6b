r"""Moments of counts as smooth functions of the place of a cell among similar cells.

Every gene is a sum of a few functions :math:`\varphi_k` that change slowly over the graph of cells (the leading
eigenvectors of its random walk, a diffusion map; Coifman and Lafon 2006),

.. math:: M_{ig} = \sum_k f_{kg} c_{kg} \varphi_{ik}, \qquad c_{kg} = \sum_i \varphi_{ik} x_{ig}, \qquad
          f_{kg} = \frac{\tau_g \lambda_k}{\tau_g \lambda_k + 1},

with the share :math:`f` of each coefficient that is not noise. The prior variance of a coefficient, in units of the
noise of its gene, is the product of a factor of the component, the same for all genes, and one of the gene (empirical
Bayes, after Efron and Morris 1973). A gene with few counts keeps few components, one with many counts more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TINY = 1e-12
DEPENDENT = 1e-6
# Numbers of a block of cells x genes.
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class SmoothValues:
    """A matrix of cells x genes as a product of few functions and their coefficients.

    Parameters
    ----------
    basis
        (n, m + 1) float64 functions of the cells; the first is constant 1.
    coefficients
        (m + 1, G) float64.
    noise
        (G,) float64 variance of a single count around the smooth value.
    """

    basis: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    noise: NDArray[np.float64]

    def of_genes(self, genes: NDArray[np.integer]) -> SmoothValues:
        """Return the values of some of the genes."""
        return SmoothValues(self.basis, self.coefficients[:, genes], self.noise[genes])

    def values(self) -> NDArray[np.float32]:
        """Return the matrix, (n, G) float32; values below 0 are 0."""
        n, number = len(self.basis), self.coefficients.shape[1]
        basis, coefficients = self.basis.astype(np.float32), self.coefficients.astype(np.float32)
        result = np.empty((n, number), dtype=np.float32)
        rows = max(1, BLOCK // max(number, 1))
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            np.matmul(basis[part], coefficients, out=result[part])
            np.maximum(result[part], 0, out=result[part])
        return result


def slow_functions(graph: sparse.csr_array, number: int) -> NDArray[np.float64]:
    """Return the functions of cells that change most slowly over a graph.

    Parameters
    ----------
    graph
        (n, n) symmetric weights, 0 or above, with a positive sum in every row.
    number
        Number of functions beside the constant one; n - 2 where that is less.

    Returns
    -------
    (n, number + 1) float64. The first column is 1; the others have mean 0, length 1 and are orthogonal, slowest first.
    """
    from scipy.sparse.linalg import eigsh

    n = graph.shape[0]
    number = min(number, n - 2)
    root = np.sqrt(np.asarray(graph.sum(axis=1), dtype=np.float64).ravel())
    walk = sparse.csr_array(sparse.diags_array(1 / root) @ graph.astype(np.float64) @ sparse.diags_array(1 / root))
    start = np.random.default_rng(0).uniform(-1, 1, n)
    values, vectors = eigsh(walk, number + 1, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")
    functions = vectors[:, order] / root[:, None]
    # The constant is among them (in a graph of several parts: among their sums), so that one too many is left.
    functions -= functions.mean(axis=0)
    independent = np.abs(np.diag(np.linalg.qr(functions, mode="r"))) > DEPENDENT * np.abs(functions).max()
    turned, _ = np.linalg.qr(functions[:, independent][:, :number])
    return np.column_stack([np.ones(n), turned])


def smooth(layers: Sequence[sparse.csr_array], basis: NDArray[np.float64]) -> tuple[SmoothValues, ...]:
    """Return every layer of counts as smooth values.

    Parameters
    ----------
    layers
        (n, G) scaled counts each; the factors of the components are shared by all of them.
    basis
        (n, m + 1) from :func:`slow_functions`.
    """
    found = [_projected(counts, basis) for counts in layers]
    strength = np.hstack([c[1:] ** 2 / noise for c, noise in found])
    component = np.maximum(strength.mean(axis=1) - 1, 0)
    whole = max(float(component.sum()), TINY)
    result = []
    for c, noise in found:
        gene = np.maximum((c[1:] ** 2 / noise - 1).sum(axis=0), 0) / whole
        prior = gene * component[:, None]
        kept = c.copy()
        kept[1:] *= prior / (prior + 1)
        result.append(SmoothValues(basis, kept, noise))
    return tuple(result)


def _projected(counts: sparse.csr_array, basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients (m + 1, G) of the least-squares fit and the variance around it, (G,)."""
    n, m = len(basis), basis.shape[1] - 1
    c = np.asarray(counts.T @ basis, dtype=np.float64).T
    c[0] /= n
    squares = sparse.csr_array((counts.data.astype(np.float64) ** 2, counts.indices, counts.indptr), shape=counts.shape)
    total = np.asarray(squares.sum(axis=0)).ravel() - n * c[0] ** 2
    noise = np.maximum((total - (c[1:] ** 2).sum(axis=0)) / max(n - 1 - m, 1), TINY)
    return c, noise
