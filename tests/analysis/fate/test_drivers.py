import threading

import numpy as np
import pytest
from scipy import sparse, stats

from napari_tissue_dynamics.analysis.fate import drivers
from napari_tissue_dynamics.analysis.fate.drivers import drivers_steps
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end


@pytest.fixture
def cells(rng):
    counts = rng.poisson(rng.uniform(1, 5, 12), (80, 12)).astype(np.float32)
    counts[:, 5] = 0
    fates = rng.dirichlet([1, 2, 1], 80).astype(np.float32)
    counts[:, 2] = rng.poisson(20 * fates[:, 1])
    fates[[3, 40]] = np.nan
    return fates, counts


def found(fates, counts, **more):
    genes = [f"g{i}" for i in range(counts.shape[1])]
    return run_to_end(drivers_steps(fates, counts, genes, ("a", "b", "c"), **more))


@pytest.mark.parametrize("block", [1, 100, 10**7])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_equals_scipy_one_gene_at_a_time(cells, block, kind, monkeypatch):
    monkeypatch.setattr(drivers, "BLOCK", block)
    fates, counts = cells
    result = found(fates, kind(counts))
    kept = np.isfinite(fates[:, 0])
    total = counts[kept].sum(axis=1, keepdims=True)
    logarithm = np.log1p(counts[kept].astype(float) / total * np.median(total))
    for gene in set(range(12)) - {5}:
        for fate in range(3):
            r, p = stats.pearsonr(logarithm[:, gene], fates[kept, fate].astype(float))
            assert result.correlation[gene, fate] == pytest.approx(r, abs=1e-6)
            assert result.p_value[gene, fate] == pytest.approx(p, rel=1e-6)
    np.testing.assert_allclose(result.fdr, stats.false_discovery_control(result.p_value, axis=0))
    assert result.n_cells == 78


def test_a_silent_gene_goes_with_nothing(cells):
    result = found(*cells)
    assert np.isnan(result.correlation[5]).all()
    assert (result.p_value[5] == 1).all()


def test_table_puts_what_goes_most_first(cells):
    table = found(*cells).table("b", 3)
    assert table["gene"][0] == "g2"
    assert len(table) == 3
    assert (np.diff(table["correlation"]) <= 0).all()


def test_too_few_cells_are_one_sentence(cells):
    fates, counts = cells
    fates = np.where(np.arange(80)[:, None] < 4, fates, np.nan)
    with pytest.raises(DataError, match="3 cells have a fate"):
        found(fates, counts)


def test_stop_ends_the_work(cells):
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        found(*cells, stop=stop)
