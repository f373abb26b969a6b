"""Where a Markov chain stays for long: its metastable sets, and which of them it runs into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import Progress, part_of, stopped

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from scipy import sparse

    from napari_tissue_dynamics.progress import StopToken

STOPPED = "The search for states was stopped; earlier results are unchanged."
# Eigenvectors are looked for in a space of this many dimensions more than states.
SPARE = 10
# Multiplications between two checks of convergence, and the maximum number of checks.
POWER, MOST_LOOKS = 5, 60
# Of the largest eigenvectors what is not in the space, of a length of one.
TOLERANCE = 1e-5
# Eigenvalues below this belong to nothing that the chain stays in.
SMALLEST_EIGENVALUE = 0.9
CLOSE = 1e-9
TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Macrostates:
    r"""Metastable sets of a Markov chain.

    Parameters
    ----------
    membership
        (n, m) how far each cell belongs to each set; rows sum to one. Where a set is left hardly ever it is the
        probability of coming into it.
    core
        (n, m) where the chain stays within each set, as a density over cells, 0 or more; columns sum to one.
    stability
        (m,) probability of still being in the set after a step.
    locality
        (m,) share of the density of a set that is above zero, 0.5 to 1: near one for a set that the chain stays in for
        long, 0.5 for one that it only runs through and whose density is that of others with both signs.
    """

    membership: NDArray[np.float64]
    core: NDArray[np.float64]
    stability: NDArray[np.float64]
    locality: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SlowSpace:
    """The slow part of a Markov chain: spaces that it maps into themselves, from both sides.

    Parameters
    ----------
    right, left
        (n, b) orthonormal columns.
    right_form, left_form
        (b, b) the chain, and its transpose, within each space.
    """

    right: NDArray[np.float64]
    left: NDArray[np.float64]
    right_form: NDArray[np.float64]
    left_form: NDArray[np.float64]

    @property
    def eigenvalues(self) -> NDArray[np.complex128]:
        """(b,) eigenvalues, the largest real part first."""
        found = np.linalg.eigvals(self.right_form)
        return found[np.lexsort((-found.imag, -found.real))].astype(np.complex128)

    def sizes(self) -> list[int]:
        """Return numbers of states: eigenvalues are large, and no complex pair is torn apart."""
        values = self.eigenvalues
        most = len(values) - min(SPARE, len(values) - 1)
        return [
            size
            for size in range(1, most + 1)
            if values[size - 1].real >= SMALLEST_EIGENVALUE and (size == len(values) or _apart(values, size))
        ]


def slow_space_steps(
    chain: sparse.csr_array, most: int, stop: StopToken | None = None, *, seed: int = 0
) -> Generator[Progress, None, SlowSpace]:
    """Find the slow part of a chain by orthogonal iteration.

    All dimensions of the space are found together, so that eigenvalues that lie close to each other, as those of
    several sets that are never left, are not missed. An iteration costs two products of the chain with ``most + 10``
    columns.

    Parameters
    ----------
    chain
        (n, n) rows sum to one.
    most
        Largest number of states.
    seed
        Seed of the first space.

    Raises
    ------
    FitError
        If the work was ended early.
    """
    n = chain.shape[0]
    width = min(most + SPARE, n)
    start = np.random.default_rng(seed).normal(size=(n, width))
    right, right_form = yield from part_of(_iterated(chain, start, most, stop), 0.0, 0.5)
    left, left_form = yield from part_of(_iterated(chain.T.tocsr(), start, most, stop), 0.5, 1.0)
    return SlowSpace(right, left, right_form, left_form)


def macrostates(space: SlowSpace, number: int) -> Macrostates:
    r"""Return the ``number`` most metastable sets of a chain.

    The right invariant space of the largest eigenvalues is nearly constant on each set, so that cells lie in a
    simplex whose corners are the sets; the inner simplex algorithm takes the farthest cells as corners (Weber and
    Kube 2005; Reuter et al. 2018, J Chem Theory Comput 14:3579 for invariant spaces of chains without detailed
    balance). With the memberships :math:`\chi`, those densities :math:`\mu` of the left invariant space with
    :math:`\mu^T \chi = 1` describe how the chain stays within each set, and :math:`\mu^T P \chi` is the chain of the
    sets. Densities of a set in which the chain stays for long are above zero nearly everywhere.

    Parameters
    ----------
    space
        Slow part of the chain.
    number
        Number of sets, one of :meth:`SlowSpace.sizes`.
    """
    right = space.right @ _leading(space.right_form, number)
    left = space.left @ _leading(space.left_form, number)
    corners = right[_corners(right)]
    membership = right @ np.linalg.inv(corners)
    density = left @ np.linalg.inv(membership.T @ left)
    turn = _leading(space.right_form, number)
    within = corners @ (turn.T @ space.right_form @ turn) @ np.linalg.inv(corners)
    positive = np.maximum(density, 0)
    locality = positive.sum(axis=0) / np.maximum(np.abs(density).sum(axis=0), TINY)
    core = positive * np.clip(membership, 0, 1)
    core /= np.maximum(core.sum(axis=0), TINY)
    return Macrostates(membership, core, np.diag(within).copy(), locality)


def _iterated(
    chain: sparse.csr_array, space: NDArray[np.float64], number: int, stop: StopToken | None
) -> Generator[Progress, None, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return an orthonormal space that the chain maps into itself, and the chain within it."""
    space, _ = np.linalg.qr(space)
    for look in range(MOST_LOOKS):
        for _ in range(POWER):
            if stopped(stop):
                raise FitError(STOPPED)
            space = chain @ space
        space, _ = np.linalg.qr(space)
        image = chain @ space
        form = space.T @ image
        yield Progress("slow motions", look + 1, MOST_LOOKS, (look + 1) / MOST_LOOKS)
        if _off(space, image, form, number) < TOLERANCE:
            break
    return space, form


def _off(space: NDArray[np.float64], image: NDArray[np.float64], form: NDArray[np.float64], number: int) -> float:
    """Return how far the chain leads out of the space of those largest eigenvalues that count."""
    values = np.linalg.eigvals(form).real
    count = min(max(int((values >= SMALLEST_EIGENVALUE).sum()), 1), number)
    turn = _leading(form, count)
    return float(np.linalg.norm(image @ turn - space @ (form @ turn), axis=0).max())


def _leading(form: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return (b, number) orthonormal columns that span the eigenvectors of the largest real parts."""
    values, vectors = np.linalg.eig(form)
    order = np.lexsort((-values.imag, -values.real))
    columns: list[NDArray[np.float64]] = []
    for place in order:  # of a complex pair, the one with the positive imaginary part comes first
        columns.append(vectors[:, place].real if values[place].imag >= 0 else vectors[:, place].imag)
    leading, _ = np.linalg.qr(np.stack(columns, axis=1)[:, :number])
    return leading


def _corners(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the points that span the largest simplex, one after the other the farthest from those before."""
    first = int(np.linalg.norm(points, axis=1).argmax())
    found, rest = [first], points - points[first]
    for _ in range(1, points.shape[1]):
        lengths = np.linalg.norm(rest, axis=1)
        farthest = int(lengths.argmax())
        found.append(farthest)
        direction = rest[farthest] / max(float(lengths[farthest]), TINY)
        rest = rest - np.outer(rest @ direction, direction)
    return np.array(found)


def _apart(values: NDArray[np.complex128], size: int) -> bool:
    """Return whether the eigenvalues before and from ``size`` on are no complex pair."""
    return not (abs(values[size - 1].imag) > CLOSE and abs(values[size - 1] - values[size].conj()) < CLOSE)
