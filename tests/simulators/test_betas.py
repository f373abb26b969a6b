"""The tissue with known coefficients against slow loops, and what it promises of itself."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators import betas as module
from napari_tissue_dynamics.simulators.betas import PATTERNS, BetaSettings, simulate_betas
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork, TfLigandScores
from napari_tissue_dynamics.travlr.training import fit


@pytest.fixture(scope="module")
def simulated():
    return simulate_betas(400, seed=2)


def expression_of(tissue, gene):
    return np.asarray(tissue.expression[:, tissue.gene_index(gene)], dtype=np.float64)


def column_of(simulated, modulator):
    """Return what a modulator contributes before its coefficient, with a plain sum for the ligand."""
    tissue = simulated.tissue
    for sign in "$#":
        if sign in modulator:
            ligand, other = (expression_of(tissue, gene) for gene in modulator.split(sign))
            reached = [
                sum(np.exp(-((here - tissue.positions) ** 2).sum(axis=1) / (2 * simulated.radius**2)) * ligand)
                for here in tissue.positions
            ]
            return simulated.scale_factor / tissue.n_cells * np.array(reached) * other
    return expression_of(tissue, modulator)


def test_targets_follow_from_the_true_coefficients(simulated):
    columns = {}
    for target, truth in simulated.truth.items():
        for name in truth.modulators:
            columns.setdefault(name, column_of(simulated, name))
        x = np.column_stack([columns[name] for name in truth.modulators])
        assert_allclose(truth.intercept + (truth.betas * x).sum(axis=1), truth.signal, atol=1e-6)
        y = expression_of(simulated.tissue, target)
        assert y.min() == 0
        noise = y - truth.signal
        assert truth.oracle_r2 == pytest.approx(1 - (noise**2).sum() / ((y - y.mean()) ** 2).sum(), abs=1e-5)
        assert truth.oracle_r2 == pytest.approx(0.8, abs=0.05)
        assert abs(np.corrcoef(noise, truth.signal)[0, 1]) < 0.15
        strengths = (truth.betas * x.std(axis=0)).std(axis=0)[~truth.zero]
        assert strengths.max() < 8 * strengths.min()


def test_half_of_the_modulators_have_no_coefficient_and_all_kinds_occur(simulated):
    for truth in simulated.truth.values():
        assert len(truth.modulators) == 22
        assert truth.zero.sum() == 11
        assert (truth.betas[:, ~truth.zero] != 0).all()
    for kind in (lambda name: "$" in name, lambda name: "#" in name, str.isalnum):
        zero = np.concatenate([t.zero[[kind(name) for name in t.modulators]] for t in simulated.truth.values()])
        assert zero.any()
        assert not zero.all()


def test_coefficients_are_patterns_times_a_factor_by_type(simulated, monkeypatch):
    flat = tuple(lambda place, rng, value=value: np.full(len(place), value) for value in (1.0, 2.0, 4.0, 8.0))
    monkeypatch.setattr(module, "PATTERNS", flat)
    levelled = simulate_betas(400, seed=2)
    codes = levelled.tissue.cell_types.codes
    sizes = []
    for truth in levelled.truth.values():
        x = np.column_stack([column_of(levelled, name) for name in truth.modulators])
        for k in np.flatnonzero(~truth.zero):
            of_type = [np.unique(truth.betas[codes == c, k].round(12)) for c in range(5)]
            assert all(len(values) == 1 for values in of_type)
            sizes += [abs(float(values[0])) * x[:, k].std() for values in of_type]
    assert 0.4 <= min(sizes) < max(sizes) <= 8 * 1.6
    assert max(sizes) > 8 * 0.4


def test_patterns_span_what_they_say():
    side = np.linspace(0, 1, 101)
    place = np.column_stack([axis.ravel() for axis in np.meshgrid(side, side)])
    spans = {"sinusoidal": (0.1, 1.9), "radial": (0, 2), "gradient": (0.2, 1.8), "sign_flip": (-1.2, 1.2)}
    for pattern in PATTERNS:
        low, high = spans[pattern.__name__]
        for seed in range(5):
            values = pattern(place, np.random.default_rng(seed))
            assert values.min() == pytest.approx(low, abs=0.15)
            assert values.max() == pytest.approx(high, abs=0.15)
            across = np.abs(np.diff(values.reshape(101, 101), axis=0)).max()
            assert across < 0.15, "smooth"


def test_types_differ_in_level_and_live_in_regions(simulated):
    codes, expression = simulated.tissue.cell_types.codes, np.log(simulated.tissue.expression[:, :-3])
    assert set(codes) == set(range(5))
    between = np.var([expression[codes == c].mean(axis=0) for c in range(5)], axis=0)
    assert between.mean() > 0.05
    distance = ((simulated.tissue.positions[:, None] - simulated.tissue.positions) ** 2).sum(axis=2)
    near = distance.argsort(axis=1)[:, 1:6]
    assert (codes[near] == codes[:, None]).mean() > 1.5 * (np.bincount(codes) ** 2).sum() / len(codes) ** 2
    correlation = np.corrcoef(expression.T)[np.triu_indices(expression.shape[1], 1)]
    assert np.abs(correlation).max() > 0.3, "programmes"


def test_some_pairs_share_a_receptor_or_a_ligand():
    settings = BetaSettings(n_pairs=8, sharing=0.5)
    ligands, receptors, _ = zip(*simulate_betas(60, 0, settings).pairs, strict=True)
    assert len(set(zip(ligands, receptors, strict=True))) == 8
    assert len(set(ligands)) == len(set(receptors)) == 6
    ligands, receptors, _ = zip(*simulate_betas(60, 0, replace(settings, sharing=0.0)).pairs, strict=True)
    assert len(set(ligands)) == len(set(receptors)) == 8


def test_same_seed_same_tissue_and_later_targets_change_nothing(simulated):
    state = np.random.get_state()[1].copy()  # noqa: NPY002  the global state must stay as it is
    more = simulate_betas(400, 2, BetaSettings(n_targets=5))
    assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert more.targets[:3] == simulated.targets
    for target, truth in simulated.truth.items():
        assert_array_equal(truth.betas, more.truth[target].betas)
    assert_array_equal(more.tissue.expression[:, :-2], simulated.tissue.expression)
    other = simulate_betas(400, seed=3)
    assert not np.array_equal(other.tissue.positions, simulated.tissue.positions)


def test_a_fit_has_the_modulators_of_the_truth_and_finds_coefficients():
    simulated = simulate_betas(1200, 1, BetaSettings(n_targets=1, n_types=2, oracle_r2=0.97))
    (target,) = simulated.targets
    truth = simulated.truth[target]
    factors = simulated.regulators[target]
    ligands = tuple(dict.fromkeys(ligand for ligand, *_ in simulated.pairs))
    linked = np.array([[(ligand, factor) in simulated.tf_ligands for ligand in ligands] for factor in factors])
    network = RegulatoryNetwork(
        simulated.regulators, simulated.pairs, TfLigandScores(factors, ligands, linked.astype(np.float32))
    )
    config = TravlrConfig(
        radius=simulated.radius, scale_factor=simulated.scale_factor, permutations=0, held_out=False, waves=6
    )
    found = fit(simulated.tissue, [target], network, config)[target]
    assert set(found.modulators) == set(truth.modulators)
    assert min(found.fit_r2) > 0.8
    # A factor that also acts with a ligand cannot be told from the pair where the ligand is the same everywhere.
    correlations = [
        np.corrcoef(found.beta(name), truth.betas[:, k])[0, 1]
        for k, name in enumerate(truth.modulators)
        if name in factors and not truth.zero[k] and name not in (factor for _, factor in simulated.tf_ligands)
    ]
    assert len(correlations) >= 2
    assert min(correlations) > 0.85


def test_requests_that_cannot_be_met_are_refused():
    with pytest.raises(DataError, match="at least 50"):
        simulate_betas(49)
    with pytest.raises(DataError, match="ligand-TF pairs"):
        simulate_betas(100, 0, BetaSettings(n_factors=2, n_pairs=2, n_tf_ligands=5))
    with pytest.raises(DataError, match="ligand-TF pairs"):
        simulate_betas(100, 0, BetaSettings(n_pairs=0))
    alone = simulate_betas(100, 0, BetaSettings(n_pairs=0, n_tf_ligands=0))
    assert alone.truth["Target1"].modulators == alone.regulators["Target1"]
