import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.genes import gene_trends as module
from napari_tissue_dynamics.analysis.genes.gene_trends import TrendConfig, gene_trends
from napari_tissue_dynamics.errors import DataError


@pytest.fixture
def waves(rng):
    """Genes with known peaks, genes of noise, and one that is silent."""
    time = rng.uniform(0, 1, 600)
    peaks = np.array([0.9, 0.1, 0.5])
    signal = np.exp(-0.5 * ((time[:, None] - peaks) / 0.12) ** 2)
    values = np.hstack([signal + 0.05 * rng.normal(size=signal.shape), rng.normal(size=(600, 4)), np.zeros((600, 1))])
    return time, np.maximum(values, 0), tuple("ABCnopqz")


def test_known_peaks_are_found_in_order_and_noise_is_last(waves):
    time, values, genes = waves
    trends = gene_trends(values, genes, time)
    assert trends.top(3).genes == ("B", "C", "A")
    np.testing.assert_allclose(trends.top(3).peak, [0.1, 0.5, 0.9], atol=0.05)
    assert (trends.explained[:3] > 0.8).all()
    assert (trends.explained[3:] < 0.1).all()
    assert trends.explained[-1] == 0
    scaled = trends.scaled()
    np.testing.assert_allclose([scaled[:7].min(), scaled[:7].max()], [0, 1])
    assert (np.diff(trends.time) > 0).all()


@pytest.mark.parametrize("block", [1, 10**7])
def test_means_equal_the_slow_loop_sparse_or_dense(waves, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    time, values, genes = waves
    time = time.copy()
    time[5] = np.nan
    config = TrendConfig(bins=20, smoothing=0.05)
    order = [i for i in np.argsort(time) if np.isfinite(time[i])]
    bins = [np.array([i for k, i in enumerate(order) if k * 20 // len(order) == b]) for b in range(20)]
    means = np.array([values[cells].mean(axis=0) for cells in bins])
    smooth = np.array([np.average(means, axis=0, weights=np.exp(-0.5 * (np.arange(20) - b) ** 2)) for b in range(20)])
    of_cells = np.concatenate([np.tile(smooth[b], (len(cells), 1)) for b, cells in enumerate(bins)])
    explained = of_cells.var(axis=0)[:7] / values[order].var(axis=0)[:7]
    for table in (values, sparse.csr_array(values)):
        trends = gene_trends(table, genes, time, config)
        np.testing.assert_allclose(trends.means, smooth.T, atol=1e-5)
        np.testing.assert_allclose(trends.explained[:7], explained, rtol=1e-5)
        np.testing.assert_allclose(trends.time, [time[cells].mean() for cells in bins])


def test_order_of_the_cells_does_not_matter(waves, rng):
    time, values, genes = waves
    order = rng.permutation(len(time))
    first, second = gene_trends(values, genes, time), gene_trends(values[order], genes, time[order])
    np.testing.assert_allclose(first.means, second.means, rtol=1e-5, atol=1e-7)


def test_few_cells_are_an_error():
    time = np.full(30, np.nan)
    time[:4] = 1
    with pytest.raises(DataError, match="4 cells have a time"):
        gene_trends(np.ones((30, 2)), ("a", "b"), time)
