"""Choose, of hundreds of possible modulators, those worth a smooth map of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_tissue_dynamics.progress import share_of
from napari_tissue_dynamics.travlr.smooth.held_out import predictions
from napari_tissue_dynamics.travlr.smooth.model import Layout, learn_steps
from napari_tissue_dynamics.travlr.smooth.moments import moments

if TYPE_CHECKING:
    from collections.abc import Generator

Floats = NDArray[np.float64]

# Modulators are added in this many rounds, each judged on what those before leave unexplained.
ROUNDS = 3
# Candidates that get a broad map, for each modulator that is kept.
CANDIDATES = 2
# Correlation within cell types above which two modulators count as one.
ALIKE = 0.95
# Half waves of the maps while choosing, and steps of their variances.
WAVES = 2
STEPS = 4


def screened_steps(
    z: NDArray[np.float32],
    basis: NDArray[np.float32],
    y: Floats,
    codes: NDArray[np.integer],
    wave_numbers: Floats,
    most: int,
) -> Generator[float, None, NDArray[np.intp]]:
    r"""Choose at most ``most`` modulators.

    A modulator is judged by :math:`\sum_j w_j (\sum_i \phi_{ij} z_{ik} r_i)^2` over the broad functions, relative to
    what it would be if the residual :math:`r` were noise, and twice as many as are wanted get a broad map each; the
    strongest of them are kept. Of modulators that are nearly the same in all cells, as are
    pairs of one receptor with ligands from the same places, only the best is chosen: the data cannot distinguish them.

    Parameters
    ----------
    z
        (cells, 1 + modulators) float32, the intercept first.
    basis
        (cells, functions) float32.
    y
        (cells,) centered in each type.
    codes
        (cells,) type; -1 for none.
    wave_numbers
        (functions,).
    most
        0 takes all.

    Yields
    ------
    Share of the work that is done.

    Returns
    -------
    (chosen,) indices of modulators, ascending; the intercept is not counted.
    """
    modulators = z.shape[1] - 1
    if not most or modulators <= most:
        return np.arange(modulators)
    broad = wave_numbers <= WAVES + 1e-9
    functions, types = basis[:, broad], int(codes.max()) + 1
    layout_waves = wave_numbers[broad]
    chosen: list[int] = []
    strength = np.zeros(0)
    residual = np.where(codes >= 0, y, 0.0)
    for number in range(1, ROUNDS + 1):
        scores = _scores(z[:, 1:], functions, residual)
        scores[chosen] = -np.inf
        _take(chosen, z[:, 1:], scores, CANDIDATES * most * number // ROUNDS)
        columns = z[:, [0, *(1 + k for k in chosen)]]
        layout = Layout(columns.shape[1], len(layout_waves), 0, layout_waves)
        data = moments(columns, functions, y, codes, types)
        learning = learn_steps(data, layout, steps=STEPS)
        found = yield from share_of(learning, number - 1, ROUNDS)
        strength = found.variances.groups[1:].sum(axis=1)
        residual = np.where(codes >= 0, y - predictions(columns, functions, codes, found.by_type), 0.0)
    strongest = np.argsort(-strength, kind="stable")[:most]
    return np.sort(np.array(chosen, dtype=np.intp)[strongest])


def _take(chosen: list[int], z: NDArray[np.float32], scores: Floats, most: int) -> None:
    """Add the modulators with the highest scores to ``chosen`` until there are ``most``, without near copies."""
    length = np.maximum(np.sqrt((z.astype(np.float64) ** 2).sum(axis=0)), np.finfo(np.float64).tiny)
    for k in np.argsort(-scores, kind="stable").tolist():
        if len(chosen) >= most or not np.isfinite(scores[k]):
            return
        alike = np.abs(z[:, k] @ z[:, chosen]) / (length[k] * length[chosen])
        if not np.any(alike > ALIKE):
            chosen.append(k)


def _scores(z: NDArray[np.float32], functions: NDArray[np.float32], residual: Floats) -> Floats:
    """Return the (modulators,) evidence of each modulator in a (cells,) residual."""
    weighted = functions * residual[:, None].astype(np.float32)
    seen = ((z.T @ weighted).astype(np.float64) ** 2).sum(axis=1)
    chance = ((z**2).T @ (functions**2)).astype(np.float64).sum(axis=1) * float((residual**2).mean())
    return np.asarray(seen / np.maximum(chance, np.finfo(np.float64).tiny))
