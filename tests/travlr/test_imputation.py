"""Smoothing over similar cells, against the formula written out with dense matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.imputation import Smoothing, already_imputed, impute_steps
from napari_tissue_dynamics.travlr.training import fit


def _slow(x, smoothing):
    """All of one type, from a full singular value decomposition and n x n matrices."""
    u, size, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    place = (u * size)[:, : min(smoothing.components, min(x.shape) - 1)]
    distance = cdist(place, place)
    n = len(x)
    kernel = np.eye(n)
    for i in range(n):
        order = [j for j in np.argsort(distance[i], kind="stable") if j != i]
        width = distance[i, order[smoothing.neighbors - 1]]
        for j in order[: smoothing.most_neighbors]:
            weight = np.exp(-((distance[i, j] / width) ** smoothing.decay))
            kernel[i, j] = weight if weight >= 1e-4 else 0
    kernel = (kernel + kernel.T) / 2
    average = kernel / kernel.sum(axis=1, keepdims=True)
    return np.linalg.matrix_power(average, smoothing.steps) @ x


def _types(rng, n=110, genes=30):
    centers = rng.gamma(2, 1, (3, genes))
    codes = np.where(np.arange(n) < 4, 2, rng.integers(-1, 2, n))
    return (centers[codes] + rng.gamma(1, 0.6, (n, genes))).astype(np.float32), codes


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("smoothing", [Smoothing(), Smoothing(decay=15, most_neighbors=25, steps=2, components=6)])
def test_agrees_with_dense_matrices(rng, layout, smoothing):
    x, codes = _types(rng)
    wanted = np.array([3, 0, 17])
    found = run_to_end(impute_steps(layout(x), codes, wanted, smoothing))
    for code in (-1, 0, 1):
        rows = codes == code
        np.testing.assert_allclose(found[rows], _slow(x[rows].astype(float), smoothing)[:, wanted], rtol=2e-4)
    np.testing.assert_array_equal(found[codes == 2], x[codes == 2][:, wanted])  # four cells are too few


def test_types_that_are_all_alike_and_copies_of_cells_stay_finite(rng):
    x, codes = _types(rng)
    x[codes == 0] = 1.5
    x[codes == 1] = x[codes == 1][np.arange((codes == 1).sum()) % 3]
    found = run_to_end(impute_steps(x, codes, np.arange(30)))
    np.testing.assert_array_equal(found[codes == 0], 1.5)
    np.testing.assert_allclose(found[codes == 1], x[codes == 1], rtol=1e-5)  # many copies: averages of equals


def test_counts_come_closer_to_the_truth(rng):
    along = rng.uniform(0, 1, 400)
    level = np.exp(np.outer(np.sin(6 * along), rng.normal(size=60)) * 0.7 - 0.5)
    x = np.log1p(rng.poisson(level)).astype(np.float32)
    shares = []
    steps = impute_steps(x, np.zeros(400, int), np.arange(60))
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            found = end.value
            break
    assert shares == sorted(shares)
    assert shares[-1] == 1
    correlation = [np.mean([np.corrcoef(m[:, g], level[:, g])[0, 1] for g in range(60)]) for m in (x, found)]
    assert correlation[1] > correlation[0] + 0.2


def test_a_fit_smooths_once_at_most(tissue, network):
    seed_only = TravlrConfig(estimator="network", epochs=0, score_threshold=-100, impute=True)
    plain = fit(tissue, ["Axin2"], network, replace(seed_only, impute=False))["Axin2"].betas
    smooth = run_to_end(impute_steps(tissue.expression, tissue.cell_types.codes, np.arange(6)))
    beforehand = tissue.with_(expression=smooth, expression_key="imputed_count")
    found = fit(tissue, ["Axin2"], network, seed_only)["Axin2"].betas
    np.testing.assert_array_equal(found, fit(beforehand, ["Axin2"], network, seed_only)["Axin2"].betas)
    assert not np.array_equal(found, plain)


@pytest.mark.parametrize(("key", "smoothed"), [("imputed_count", True), ("Ms", True), ("X", False), ("", False)])
def test_names_of_smoothed_layers(key, smoothed):
    assert already_imputed(key) == smoothed
