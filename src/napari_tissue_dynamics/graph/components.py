"""Principal components of sparse and dense matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse.linalg import LinearOperator

    from napari_tissue_dynamics.data.tissue import Counts

COMPONENTS = 30
ROUNDS = 4
SPARE = 10


def principal_components(
    x: Counts | Sequence[Counts], number: int = COMPONENTS, *, seed: int = 0
) -> NDArray[np.float32]:
    """Return the scores of the leading principal components (Lanczos, ARPACK).

    The values are centered inside the products, so that a sparse matrix is not filled and a dense one not copied.

    Parameters
    ----------
    x
        (n, d) values, or several such side by side.
    number
        Number of components; fewer where n - 1 or d - 1 is less.
    seed
        Seed of the start vector of the solver; it changes the result by rounding only.

    Returns
    -------
    (n, components) float32.

    Raises
    ------
    DataError
        If all cells are alike.
    """
    from scipy.sparse.linalg import svds

    parts = x if isinstance(x, Sequence) else [x]
    centered = _centered(parts)
    _check_differences(parts, centered.shape[0])
    smallest = min(centered.shape)
    start = np.random.default_rng(seed).uniform(-1, 1, smallest).astype(np.float32)
    u, size, _ = svds(centered, min(number, smallest - 1), v0=start)
    order = np.argsort(-size, kind="stable")
    return np.ascontiguousarray(u[:, order] * size[order], dtype=np.float32)


def leading_components(
    x: Counts | Sequence[Counts], number: int = COMPONENTS, *, seed: int = 0, rounds: int = ROUNDS
) -> NDArray[np.float32]:
    """Return about the scores of the leading principal components, in a fraction of the time.

    A random subspace is multiplied by the matrix and its transpose a few times (Halko, Martinsson and Tropp 2011, SIAM
    Rev 53:217). Components that stand out of the noise are those of :func:`principal_components`; of those that do
    not, others are returned that explain nearly as much.

    Parameters
    ----------
    x
        (n, d) values, or several such side by side.
    number
        Number of components; fewer where n - 1 or d - 1 is less.
    seed
        Seed of the subspace.
    rounds
        How often the subspace is multiplied.

    Returns
    -------
    (n, components) float32.

    Raises
    ------
    DataError
        If all cells are alike.
    """
    parts = x if isinstance(x, Sequence) else [x]
    centered = _centered(parts)
    _check_differences(parts, centered.shape[0])
    smallest = min(centered.shape)
    number = min(number, smallest - 1)
    start = np.random.default_rng(seed).normal(size=(centered.shape[1], min(number + SPARE, smallest)))
    space, _ = np.linalg.qr(centered @ start.astype(np.float32))
    for _ in range(rounds):
        back, _ = np.linalg.qr(centered.rmatmat(space))
        space, _ = np.linalg.qr(centered @ back)
    inside = centered.rmatmat(space)
    turn, size, _ = np.linalg.svd(inside.T.astype(np.float64) @ inside)
    scores = space @ (turn[:, :number] * np.sqrt(size[:number]))
    return np.ascontiguousarray(scores, dtype=np.float32)


def _centered(parts: Sequence[Counts]) -> LinearOperator:
    """Return the matrix of all parts side by side less its column means, as something to multiply with."""
    from scipy.sparse.linalg import LinearOperator

    n = parts[0].shape[0]
    means = [np.asarray(part.sum(axis=0, dtype=np.float64)).ravel() / n for part in parts]
    mean = np.concatenate(means).astype(np.float32)
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]

    def forward(v: NDArray[np.float32]) -> NDArray[np.float32]:
        return sum(part @ piece for part, piece in zip(parts, np.split(v, ends), strict=True)) - mean @ v

    def backward(v: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.concatenate([part.T @ v for part in parts])
        return total - np.multiply.outer(mean, v.sum(axis=0))

    return LinearOperator((n, len(mean)), forward, backward, forward, np.float32, backward)


def _check_differences(parts: Sequence[Counts], n: int) -> None:
    if all(_is_constant(part) for part in parts):
        raise DataError(
            f"All {n} cells have the same counts in the chosen genes, so they cannot be ordered. "
            "Choose other count layers or keep more genes."
        )


def _is_constant(x: Counts) -> bool:
    spread = x.max(axis=0) - x.min(axis=0)
    return bool(spread.sum() == 0)
