"""Each control keeps what it says and destroys what it says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.controls import CONTROLS
from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph


@pytest.fixture(scope="module")
def made():
    return simulate_telegraph(1200, 41, 1, TelegraphSettings(layout="sources", n_regimes=1, capture=(0.5, 0.5)))


def dense(tissue):
    return tissue.unspliced.toarray().astype(float), tissue.spliced.toarray().astype(float)


def close_sums(drawn, before):
    """Check the counts of the genes within five standard errors of Poisson counts."""
    mean = before.sum(axis=0)
    assert (np.abs(drawn.sum(axis=0) - mean) < 5 * np.sqrt(mean) + 1).all()


def sorted_columns(values):
    return np.sort(values, axis=0)


def lags(u, s, velocity):
    """Return the mean over genes of the correlation of true velocity with what the true s does not explain of u."""
    x = s - s.mean(axis=0)
    rest = u - (u * x).sum(axis=0) / (x * x).sum(axis=0) * x
    return np.mean([np.corrcoef(rest[:, g], velocity[:, g])[0, 1] for g in range(u.shape[1])])


@pytest.mark.parametrize("name", CONTROLS)
def test_counts_stay_sparse_and_the_original_as_it_is(made, name):
    before = made.tissue.unspliced.toarray(), made.tissue.spliced.toarray()
    control = CONTROLS[name](made.tissue, seed=2)
    for counts in (control.spliced, control.unspliced):
        assert sparse.issparse(counts)
        assert (counts.format, counts.dtype, counts.shape) == ("csr", np.float32, (1200, 41))
        assert counts.has_sorted_indices
    assert_array_equal(made.tissue.unspliced.toarray(), before[0])
    assert_array_equal(made.tissue.spliced.toarray(), before[1])
    assert (control.genes, control.cells) == (made.tissue.genes, made.tissue.cells)
    assert not np.array_equal(control.unspliced.toarray(), before[0])
    again, other = CONTROLS[name](made.tissue, seed=2), CONTROLS[name](made.tissue, seed=3)
    assert_array_equal(again.unspliced.toarray(), control.unspliced.toarray())
    assert np.array_equal(other.unspliced.toarray(), control.unspliced.toarray()) == (name == "exchanged")


@pytest.mark.parametrize("name", ["cells", "genes", "both", "pairs", "static", "noise"])
def test_nothing_is_left_of_the_lag(made, name):
    others = made.truth.spliced, made.truth.velocity
    assert lags(dense(made.tissue)[0], *others) > 0.17
    assert abs(lags(dense(CONTROLS[name](made.tissue, 2))[0], *others)) < 0.05


def test_exchanged_layers_lag_the_other_way(made):
    control = CONTROLS["exchanged"](made.tissue, 0)
    assert_array_equal(control.unspliced.toarray(), made.tissue.spliced.toarray())
    assert_array_equal(control.spliced.toarray(), made.tissue.unspliced.toarray())
    assert lags(dense(control)[0], made.truth.unspliced, made.truth.velocity) < -0.1


@pytest.mark.parametrize("name", ["cells", "genes", "pairs", "static"])
def test_spliced_counts_are_kept(made, name):
    assert_array_equal(dense(CONTROLS[name](made.tissue, 2))[1], dense(made.tissue)[1])


def test_cells_keep_the_relations_of_genes(made):
    (u, _), (before, _) = dense(CONTROLS["cells"](made.tissue, 2)), dense(made.tissue)
    assert_array_equal(sorted_columns(u), sorted_columns(before))
    assert_allclose(np.cov(u.T), np.cov(before.T))
    assert (u != before).any(axis=1).mean() > 0.99


@pytest.mark.parametrize("name", ["genes", "pairs"])
def test_genes_get_the_counts_of_another_one(made, name):
    (u, _), (before, s) = dense(CONTROLS[name](made.tissue, 2)), dense(made.tissue)
    assert_array_equal(u.sum(axis=1), before.sum(axis=1))
    source = [int(np.flatnonzero((before == u[:, [g]]).all(axis=0))[0]) for g in range(41)]
    assert sorted(source) == list(range(41))
    kept = sum(a == b for a, b in enumerate(source))
    if name == "genes":
        assert kept == 0
        rank = np.argsort(np.argsort(before.sum(axis=0), kind="stable"))
        assert max(abs(rank[g] - rank[source[g]]) for g in range(41)) <= 10
    else:
        assert kept == 1, "an odd number of genes"
        assert all(source[source[g]] == g for g in range(41))
        rank = np.argsort(np.argsort((before + s).sum(axis=0), kind="stable"))
        assert max(abs(rank[g] - rank[source[g]]) for g in range(41)) <= 2


def test_both_keep_the_phase_portrait_of_a_gene_and_no_state_of_a_cell(made):
    (u, s), (u0, s0) = dense(CONTROLS["both"](made.tissue, 2)), dense(made.tissue)
    for gene in range(41):
        pairs, before = (
            np.array(sorted(zip(*each, strict=True))) for each in ((u[:, gene], s[:, gene]), (u0[:, gene], s0[:, gene]))
        )
        assert_array_equal(pairs, before)
    alike = np.abs(np.corrcoef(s.T)[np.triu_indices(41, 1)])
    assert np.abs(np.corrcoef(s0.T)[np.triu_indices(41, 1)]).mean() > 0.15
    assert alike.mean() < 0.04


def test_static_counts_follow_the_state_without_a_lag(made):
    control = CONTROLS["static"](made.tissue, 2)
    u, before = dense(control)[0], dense(made.tissue)[0]
    close_sums(u, before)
    assert np.corrcoef(u.sum(axis=1), made.tissue.spliced.sum(axis=1))[0, 1] > 0.9
    smooth = made.truth.spliced
    follows = [np.corrcoef(u[:, g], smooth[:, g])[0, 1] for g in range(41)]
    assert np.median(follows) > 0.4


def test_noise_has_only_sizes_and_means(made):
    control = CONTROLS["noise"](made.tissue, 2)
    for drawn, before in zip(dense(control), dense(made.tissue), strict=True):
        close_sums(drawn, before)
        mean = np.outer(before.sum(axis=1), before.sum(axis=0)) / before.sum()
        assert ((drawn - mean) ** 2).sum() == pytest.approx(mean.sum(), rel=0.03), "Poisson"
        assert ((before - mean) ** 2).sum() > 1.5 * mean.sum()


def test_tissues_without_both_layers_are_refused(made):
    with pytest.raises(DataError, match="no unspliced counts"):
        CONTROLS["cells"](made.tissue.with_(unspliced=None), 0)
