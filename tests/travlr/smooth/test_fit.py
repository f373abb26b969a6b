"""The fast estimator: smooth coefficients by restricted likelihood."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from napari_tissue_dynamics import progress
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.betas import BetaSettings, simulate_betas
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.design import Design, Modulators
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork, TfLigandScores
from napari_tissue_dynamics.travlr.smooth import held_out as smooth_held_out
from napari_tissue_dynamics.travlr.smooth import hierarchy as smooth_types
from napari_tissue_dynamics.travlr.smooth import model as smooth_model
from napari_tissue_dynamics.travlr.smooth import moments as smooth_moments
from napari_tissue_dynamics.travlr.smooth.basis import MARGIN, SmoothBasis
from napari_tissue_dynamics.travlr.smooth.fit import (
    TYPE_COLUMNS,
    TYPE_FUNCTIONS,
    TYPE_WAVES,
    SmoothPlace,
    _Scaled,
    smooth_gene_steps,
)
from napari_tissue_dynamics.travlr.smooth.held_out import Fitted, blocked_folds, held_out_steps, random_folds
from napari_tissue_dynamics.travlr.smooth.model import Layout, learn_steps, posterior, prior_variances, start
from napari_tissue_dynamics.travlr.smooth.moments import Rows, Sums, moments, products
from napari_tissue_dynamics.travlr.smooth.quality import (
    Sample,
    coefficient_covariances,
    false_discovery_rates,
    null_probabilities,
)
from napari_tissue_dynamics.travlr.smooth.screen import screened_steps
from napari_tissue_dynamics.travlr.training import fit

OPEN = TravlrConfig(score_threshold=-100)


def drained(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def tissue(n=1500, types=3, modulators=6, seed=0, noise=0.5, dimensions=2):
    """Return positions, types, columns, target and true betas; the last half of the modulators does nothing."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 500, (n, dimensions))
    codes = rng.integers(types, size=n).astype(np.int32)
    x = rng.lognormal(0, 0.5, (n, modulators)) * (1 + 0.3 * codes[:, None])
    betas = np.zeros((n, modulators))
    place = positions / 500
    maps = [np.sin(4 * place[:, 0]), 2 * np.exp(-8 * ((place - 0.4) ** 2).sum(axis=1)), 1.5 - 2 * place[:, 1]]
    for k in range(modulators // 2):
        betas[:, k] = maps[k % 3] * (1 + 0.3 * codes)
    y = 1 + 0.5 * codes + place[:, 0] + (betas * x).sum(axis=1)
    y = y + noise * rng.normal(size=n)
    return positions, codes, x.astype(np.float32), y.astype(np.float32), betas


def design_of(x, y):
    return Design(Modulators("y", tuple(f"M{k}" for k in range(x.shape[1])), (), (), {}), x, y)


def fitted(positions, codes, x, y, config=OPEN):
    names = tuple(f"type {c}" for c in range(int(codes.max()) + 1))
    place = SmoothPlace.of(positions, codes, names, config)
    return run_to_end(smooth_gene_steps("T", design_of(x, y), place, config))


def small_problem(types=3, seed=1):
    positions, codes, x, y, _ = tissue(n=120, types=types, modulators=2, seed=seed)
    basis = SmoothBasis.over(positions, 2)
    z = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)]).astype(np.float32)
    values, target = basis.values(positions), (y - y.mean()).astype(np.float64)
    broad = int((basis.wave_numbers <= 1).sum()) if types > 1 else 0
    layout = Layout(3, len(basis), broad, basis.wave_numbers)
    return z, values, target, codes, layout, moments(z, values, target, codes, types, broad)


@pytest.fixture(params=["sums over cells", "cells"])
def side(request, monkeypatch):
    """Both ways to solve the equations of a type, whatever would be less work."""
    few = 1e9 if request.param == "cells" else 0
    monkeypatch.setattr(smooth_moments, "FEW", few)
    monkeypatch.setattr(smooth_types, "FEW", few)


def dense_solution(z, basis, y, codes, layout, variances):
    """Solve for common part and deviations with one big matrix; return (types, columns) means and covariances."""
    common, own = prior_variances(layout, variances)
    wide = np.array([np.outer(a, b).ravel() for a, b in zip(z, basis, strict=True)], dtype=np.float64)
    types = len(variances.noise)
    full = np.concatenate([wide, *(wide * (codes == c)[:, None] for c in range(types))], axis=1)
    prior = np.concatenate([common, *[own] * types])
    kept = prior > 0
    weight = 1 / variances.noise[codes]
    precision = (full[:, kept].T * weight) @ full[:, kept] + np.diag(1 / prior[kept])
    covariance = np.zeros((len(prior), len(prior)))
    covariance[np.ix_(kept, kept)] = np.linalg.inv(precision)
    mean = covariance @ (full.T @ (weight * y))
    width = wide.shape[1]
    means, spreads = [], []
    for c in range(types):
        pick = np.zeros((width, len(prior)))
        pick[:, :width] = np.eye(width)
        pick[:, (1 + c) * width : (2 + c) * width] = np.eye(width)
        means.append(pick @ mean)
        spreads.append(pick @ covariance @ pick.T)
    return np.array(means), np.array(spreads)


def test_basis_is_cosines_over_a_box_with_a_margin():
    positions = np.array([[0.0, 0.0], [200.0, 100.0], [50.0, 25.0]])
    basis = SmoothBasis.over(positions, 3)
    np.testing.assert_allclose(basis.lengths, [200 * MARGIN, 100 * MARGIN])
    corner = np.array([100 - 100 * MARGIN, 50 - 50 * MARGIN])
    values = basis.values(positions)
    for j, (a, b) in enumerate(basis.indices):
        across = (np.sqrt(2) if a else 1) * np.cos(np.pi * a * (positions[:, 0] - corner[0]) / (200 * MARGIN))
        along = (np.sqrt(2) if b else 1) * np.cos(np.pi * b * (positions[:, 1] - corner[1]) / (100 * MARGIN))
        np.testing.assert_allclose(values[:, j], across * along, atol=1e-6)
    assert not basis.indices[0].any()
    assert {tuple(index) for index in basis.indices} == {(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1)}
    assert all(a <= b for a, b in pairwise(basis.wave_numbers))


def test_moments_are_the_cells_of_a_type_or_sums_over_them():
    z, basis, y, codes, layout, data = small_problem()
    kept = moments(z, basis, y, codes, 3, broad=100)
    few = Layout(3, layout.functions, 100, layout.wave_numbers)
    assert len(z) / 3 < smooth_moments.FEW * few.broad * few.modulators
    for c in range(3):
        cells = np.flatnonzero(codes == c)
        rows = np.array([np.outer(z[i], basis[i]).ravel() for i in cells])
        assert isinstance(data.types[c], Sums)
        assert isinstance(kept.types[c], Rows)
        np.testing.assert_array_equal(kept.types[c].columns, rows)
        for part in (data.types[c], kept.types[c].summed()):
            np.testing.assert_allclose(part.gram, rows.T @ rows, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(part.cross, rows.T @ y[cells], rtol=1e-4, atol=1e-3)
        for part in (data.types[c], kept.types[c]):
            assert part.power == pytest.approx((y[cells] ** 2).sum())
            assert part.cells == len(cells)
            mean = np.linspace(-1, 1, rows.shape[1])
            assert part.squares_left(mean) == pytest.approx(((y[cells] - rows @ mean) ** 2).sum(), rel=1e-4)


def test_sums_over_many_cells_are_taken_in_parts(monkeypatch):
    z, basis, y, codes, _, data = small_problem()
    most, width = 300, z.shape[1] * basis.shape[1]
    sizes = []

    def counted(*given):
        sizes.append(products(*given).size)
        return products(*given)

    monkeypatch.setattr(smooth_moments, "CHUNK", most)
    monkeypatch.setattr(smooth_moments, "products", counted)
    for part, whole in zip(moments(z, basis, y, codes, 3).types, data.types, strict=True):
        np.testing.assert_allclose(part.gram, whole.gram, rtol=1e-4, atol=1e-3)
    assert max(sizes) < most + width
    assert sum(sizes) == len(z) * width


def test_columns_are_centered_in_each_type_and_scaled_by_what_is_left():
    rng = np.random.default_rng(3)
    codes = rng.integers(-1, 3, 200).astype(np.int32)
    x, y = rng.normal(5, 2, (200, 4)).astype(np.float32), rng.normal(size=200).astype(np.float32)
    x[:, 2] = codes  # the same in all cells of a type
    found = _Scaled.of(x, y, codes, 3)
    typed = codes >= 0
    left = x - np.array([x[codes == c].mean(axis=0) for c in range(3)])[codes]
    spread = left[typed].std(axis=0)
    np.testing.assert_allclose(found.spread, np.where(spread > 0, spread, 1), rtol=1e-5)
    np.testing.assert_allclose(found.z[typed, 1:], left[typed] / found.spread, atol=1e-5)
    assert (found.z[typed, 0] == 1).all()
    assert not found.z[~typed].any()
    assert not found.y[~typed].any()


@pytest.mark.parametrize("types", [1, 2, 3, 12])
@pytest.mark.parametrize("modulators", [3, 80, 400])
def test_types_have_the_widest_functions_that_are_affordable(types, modulators):
    positions = np.random.default_rng(0).uniform(size=(300, 2))
    codes = np.arange(300, dtype=np.int32) % types
    place = SmoothPlace.of(positions, codes, tuple("abcdefghijkl")[:types], TravlrConfig(waves=6))
    within = [(place.wave_numbers < waves + 0.5e-6).sum() for waves in range(TYPE_WAVES + 1)]
    most = min(TYPE_FUNCTIONS, TYPE_COLUMNS / modulators)
    expected = max([1, *(number for number in within if types * number <= most)]) if types > 1 else 0
    layout = place.layout(modulators)
    assert layout.broad == expected
    assert layout.functions == len(place.wave_numbers)


@pytest.mark.parametrize("types", [1, 3])
def test_coefficients_and_covariance_are_those_of_one_big_regression(types, side):
    z, basis, y, codes, layout, data = small_problem(types)
    variances = start(data, layout)
    variances.groups[2] *= 3
    variances.noise[:] = np.linspace(0.5, 1.5, types)
    means, spreads = dense_solution(z, basis, y, codes, layout, variances)
    found = posterior(data, layout, variances)
    np.testing.assert_allclose(found.by_type.reshape(types, -1), means, rtol=2e-3, atol=2e-4)
    averaged = coefficient_covariances(found, layout, basis, codes)
    for c in range(types):
        slow = np.zeros((3, 3))
        for place in basis[codes == c].astype(np.float64):
            at = np.kron(np.eye(3), place)
            slow += at @ spreads[c] @ at.T / (codes == c).sum()
        np.testing.assert_allclose(averaged[c], slow, rtol=1e-3, atol=1e-4 * np.abs(slow).max())


@pytest.mark.parametrize("types", [1, 3])
def test_what_a_step_needs_is_that_of_the_whole_covariance(types, side):
    """One step of MacKay's rules with the covariances of one big regression, noise and all."""
    z, basis, y, codes, layout, data = small_problem(types)
    variances = start(data, layout)
    solved = smooth_model._solve(data, layout, variances)
    means, spreads = dense_solution(z, basis, y, codes, layout, variances)
    np.testing.assert_allclose(solved.means, means[:, solved.columns], rtol=1e-2, atol=1e-3 * np.abs(means).max())
    wide = np.array([np.outer(a, b).ravel() for a, b in zip(z, basis, strict=True)])
    grams = [wide[codes == c].T @ wide[codes == c] for c in range(types)]
    freedom = [np.trace(grams[c] @ spreads[c]) / variances.noise[c] for c in range(types)]
    np.testing.assert_allclose(solved.freedom, freedom, rtol=1e-3)
    weight = 1 / variances.noise[codes]
    total = sum(((wide @ spreads[c]) * wide * weight[:, None])[codes == c].sum() for c in range(types))
    freed = solved.common_freed.sum() + solved.type_freed.sum()
    np.testing.assert_allclose(freed, total, rtol=1e-3)  # all that is taken up, counted by cells and by coefficients


def test_variances_learned_have_a_higher_likelihood_than_the_first():
    z, basis, y, codes, layout, data = small_problem()
    wide = np.array([np.outer(a, b).ravel() for a, b in zip(z, basis, strict=True)], dtype=np.float64)

    def likelihood(variances):
        common, own = prior_variances(layout, variances)
        same = codes[:, None] == codes
        matrix = (wide * common) @ wide.T + same * ((wide * own) @ wide.T) + np.diag(variances.noise[codes])
        _, size = np.linalg.slogdet(matrix)
        return -0.5 * (size + y @ np.linalg.solve(matrix, y))

    found = drained(learn_steps(data, layout))
    first = start(data, layout)
    assert likelihood(found.variances) > likelihood(first) + 5
    for group in range(3):  # and no strength can be doubled or halved for much gain
        for factor in (0.5, 2.0):
            other = drained(learn_steps(data, layout)).variances
            other.groups[group] *= factor
            assert likelihood(other) < likelihood(found.variances) + 2


def test_maps_of_known_betas_are_found_and_idle_modulators_have_next_to_none():
    positions, codes, x, y, betas = tissue()
    found = fitted(positions, codes, x, y)
    for k in range(3):
        for c in range(3):
            rows = codes == c
            assert np.corrcoef(found.betas[rows, 1 + k], betas[rows, k])[0, 1] > 0.9
    effects = np.array(found.effects)
    assert effects[3:].max() < 0.2 * effects[:3].min()
    assert found.false_discovery[:, :3].max() < 0.01
    truth = 1 + 0.5 * codes + positions[:, 0] / 500
    assert np.abs(found.betas[:, 0] - truth).mean() < 0.25
    predicted = found.betas[:, 0] + (found.betas[:, 1:] * x).sum(axis=1)
    for c in range(3):
        rows = codes == c
        own = 1 - ((y[rows] - predicted[rows]) ** 2).sum() / ((y[rows] - y[rows].mean()) ** 2).sum()
        assert found.fit_r2[c] == pytest.approx(own, abs=1e-4)


def test_deviations_are_the_size_of_the_errors():
    ratios = []
    for seed in range(4):
        positions, codes, x, y, betas = tissue(n=800, seed=seed, noise=1.0)
        found = fitted(positions, codes, x, y)
        for c in range(3):
            rows = codes == c
            error = np.sqrt(((found.betas[rows, 1:4] - betas[rows, :3]) ** 2).mean(axis=0))
            ratios.extend(error / found.deviations[c, 1:4])
    assert 0.6 < np.median(ratios) < 1.5


@pytest.mark.parametrize("again", [False, True])
def test_held_out_cells_are_predicted_without_them(side, again, monkeypatch):
    monkeypatch.setattr(smooth_held_out, "FEW", 0 if again else 1e9)
    z, basis, y, codes, layout, data = small_problem()
    codes = np.where(np.arange(len(y)) < 5, -1, codes)  # some are of no type
    data = moments(z, basis, y, codes, 3, layout.broad)
    found = drained(learn_steps(data, layout))
    found.variances.noise[:] *= [0.5, 1, 2]
    found = posterior(data, layout, found.variances)
    folds = {"random": random_folds(len(y), 0), "halves": (np.arange(len(y)) // 60).astype(np.intp)}
    scores = drained(held_out_steps(Fitted(z, basis, y, codes, data, layout, found), folds))
    assert list(scores) == ["random", "halves"]
    for name, of in folds.items():
        predicted = np.zeros(len(y))
        for fold in range(of.max() + 1):
            seen = (of != fold) & (codes >= 0)
            means, _ = dense_solution(z[seen], basis[seen], y[seen], codes[seen], layout, found.variances)
            for i in np.flatnonzero((of == fold) & (codes >= 0)):
                predicted[i] = np.outer(z[i], basis[i]).ravel() @ means[codes[i]]
        for c in range(3):
            rows = codes == c
            expected = 1 - ((y[rows] - predicted[rows]) ** 2).sum() / ((y[rows] - y[rows].mean()) ** 2).sum()
            assert scores[name][c] == pytest.approx(expected, abs=1e-3)


def test_probabilities_of_chance_are_the_same_in_cells_and_in_columns():
    z, basis, y, codes, layout, data = small_problem()
    found = drained(learn_steps(data, layout))
    rows = np.flatnonzero(codes == 1)
    columns = products(z[rows], basis[rows])
    cells = Rows(np.tile(columns, (1, 3)), y[rows].astype(np.float32))  # more columns than cells
    wide = Layout(9, layout.functions, layout.broad, layout.wave_numbers)
    both = moments(np.tile(z, (1, 3)), basis, y, codes, 3)
    found = posterior(both, wide, start(both, wide))
    found.variances.noise[:] = 0.5
    sample = Sample(cells.columns[:, found.columns], y[rows], 50)
    assert len(rows) < len(found.columns)
    one, other = (
        null_probabilities(part, wide, found, 1, sample, np.random.default_rng(0)) for part in (cells, cells.summed())
    )
    np.testing.assert_allclose(one, other, rtol=2e-2, atol=1e-4)
    assert one.min() < 0.5


def test_held_out_score_is_that_of_cells_nobody_saw():
    claimed, fresh = [], []
    for seed in range(6):
        positions, codes, x, y, _ = tissue(n=2400, noise=1.5, seed=seed)
        seen, unseen = slice(1200), slice(1200, None)
        found = fitted(positions[seen], codes[seen], x[seen], y[seen])
        values = SmoothBasis.over(positions[seen], 4).values(positions[unseen])
        at = np.einsum("if,ifk->ik", values, found.coefficients.weights[codes[unseen]])
        predicted = at[:, 0] + (at[:, 1:] * x[unseen]).sum(axis=1)
        for c in range(3):
            rows = codes[unseen] == c
            observed = y[unseen][rows]
            left = ((observed - predicted[rows]) ** 2).sum()
            fresh.append(1 - left / ((observed - observed.mean()) ** 2).sum())
        claimed.extend(found.held_out_r2)
        assert np.mean(found.blocked_r2) < np.mean(found.held_out_r2) < np.mean(found.fit_r2)
    assert np.mean(claimed) == pytest.approx(np.mean(fresh), abs=0.02)


def test_a_type_that_predicts_no_cell_left_out_keeps_its_mean():
    """Two types follow their modulators, in the third there is nothing but noise that 40 modulators can imitate."""
    rng = np.random.default_rng(4)
    positions, codes, x, y, _ = tissue(n=240, modulators=40)
    y[codes == 2] = 5 + rng.standard_t(3, size=(codes == 2).sum())
    low = fitted(positions, codes, x, y, TravlrConfig(score_threshold=0.01, max_modulators=0))
    every = fitted(positions, codes, x, y, TravlrConfig(score_threshold=-100, max_modulators=0))
    blind = fitted(positions, codes, x, y, TravlrConfig(score_threshold=0.01, max_modulators=0, held_out=False))
    assert every.fit_r2[2] > 0.01
    assert every.held_out_r2[2] < 0 < min(every.held_out_r2[:2])
    assert blind.betas[codes == 2, 1:].any()  # the training R² alone lets it pass
    assert not low.betas[codes == 2, 1:].any()
    np.testing.assert_allclose(low.betas[codes == 2, 0], y[codes == 2].mean(), rtol=1e-5)
    assert (low.false_discovery[2] == 1).all()
    assert low.held_out_r2 == every.held_out_r2  # says why
    np.testing.assert_array_equal(low.betas[codes != 2], every.betas[codes != 2])


def test_tiles_are_left_out_as_a_whole():
    positions = np.random.default_rng(0).uniform(size=(2000, 2))
    folds = blocked_folds(positions, 0)
    assert np.bincount(folds).min() > 300
    from scipy.spatial import cKDTree

    _, near = cKDTree(positions).query(positions, k=2)
    assert (folds[np.asarray(near)[:, 1]] == folds).mean() > 0.85


def test_chance_is_rarely_called_support():
    called = []
    for seed in range(6):
        positions, codes, x, y, _ = tissue(n=600, modulators=6, seed=seed)
        y = np.random.default_rng(seed + 50).normal(size=len(y)).astype(np.float32)
        called.append(fitted(positions, codes, x, y).false_discovery < 0.1)
    assert np.mean(called) < 0.05


def test_false_calls_are_as_rare_as_said_where_idle_modulators_imitate_active_ones():
    """A ligand-TF pair goes along with its TF; one of ten calls at a rate of 0.1 may be false."""
    false = true = active = 0
    for seed in range(2):
        made = simulate_betas(1000, seed, replace(BetaSettings(), n_targets=4))
        factors = made.regulators[made.targets[0]]
        ligands = tuple(dict.fromkeys(ligand for ligand, *_ in made.pairs))
        linked = [[float((ligand, factor) in made.tf_ligands) for ligand in ligands] for factor in factors]
        scores = TfLigandScores(factors, ligands, np.array(linked, dtype=np.float32))
        network = RegulatoryNetwork(dict.fromkeys(made.targets, factors), made.pairs, scores)
        config = TravlrConfig(radius=made.radius, scale_factor=made.scale_factor, held_out=False, max_pairs=0)
        for gene in fit(made.tissue, made.targets, network, config).genes:
            truth = made.truth[gene.target]
            zero = np.array([truth.zero[truth.modulators.index(name)] for name in gene.modulators])
            called = gene.false_discovery <= 0.1
            false, true = false + called[:, zero].sum(), true + called[:, ~zero].sum()
            active += called[:, ~zero].size
    assert false / (false + true) < 0.14
    assert true / active > 0.4


def test_false_discovery_rates_are_those_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).uniform(size=(3, 7)) ** 2
    flat = p.ravel()
    slow = [
        min(min(1.0, flat[j] * flat.size / (flat <= flat[j]).sum()) for j in range(flat.size) if flat[j] >= value)
        for value in flat
    ]
    np.testing.assert_allclose(false_discovery_rates(p).ravel(), slow, rtol=1e-5)


def test_the_modulators_that_act_are_chosen_among_many():
    positions, codes, x, y, _ = tissue(n=1000, modulators=6)
    idle = np.random.default_rng(9).lognormal(0, 0.5, (1000, 150)).astype(np.float32)
    many = np.concatenate([idle[:, :70], x, idle[:, 70:]], axis=1)
    basis = SmoothBasis.over(positions, 4)
    z = np.column_stack([np.ones(1000), (many - many.mean(axis=0)) / many.std(axis=0)]).astype(np.float32)
    target = (y - y.mean()).astype(np.float64)
    chosen = drained(screened_steps(z, basis.values(positions), target, codes, basis.wave_numbers, 12))
    assert len(chosen) == 12
    assert {70, 71, 72} <= set(chosen.tolist())
    found = fitted(positions, codes, many, y, TravlrConfig(score_threshold=-100, max_modulators=12))
    assert len(found.modulators) == many.shape[1]
    assert (np.abs(found.betas[:, 1:]).max(axis=0) > 0).sum() <= 12
    assert set(np.argsort(found.effects)[-3:].tolist()) == {70, 71, 72}


def test_names_of_the_types_do_not_matter_to_the_choice():
    """Nearly all cells are of one type, the first or the last."""
    rng = np.random.default_rng(1)
    positions, codes = rng.uniform(size=(900, 2)), rng.choice(3, 900, p=[0.02, 0.02, 0.96]).astype(np.int32)
    z = np.column_stack([np.ones(900), rng.normal(size=(900, 40))]).astype(np.float32)
    y = z[:, [5, 18, 33]].sum(axis=1) + rng.normal(size=900)
    basis = SmoothBasis.over(positions, 3)
    last, first = (
        drained(screened_steps(z, basis.values(positions), y, each, basis.wave_numbers, 3))
        for each in (codes, 2 - codes)
    )
    assert last.tolist() == first.tolist() == [4, 17, 32]


def test_of_modulators_that_are_nearly_the_same_one_is_chosen():
    positions, codes, x, y, _ = tissue(n=1000, modulators=6)
    rng = np.random.default_rng(2)
    copies = x[:, [0] * 9] * rng.normal(1, 0.01, (1000, 9)).astype(np.float32)
    many = np.concatenate([x, copies], axis=1)
    basis = SmoothBasis.over(positions, 4)
    z = np.column_stack([np.ones(1000), (many - many.mean(axis=0)) / many.std(axis=0)]).astype(np.float32)
    target = (y - y.mean()).astype(np.float64)
    chosen = drained(screened_steps(z, basis.values(positions), target, codes, basis.wave_numbers, 6)).tolist()
    assert len({0, *range(6, 15)} & set(chosen)) == 1
    assert {1, 2} <= set(chosen)


def test_odd_tissues_are_fitted():
    positions, codes, x, y, _ = tissue(n=300)
    alone = codes.copy()
    alone[:] = np.where(np.arange(300) == 7, 1, 0)
    found = fitted(positions, alone, x, y, TravlrConfig())
    np.testing.assert_allclose(found.betas[7], [y[7], *[0] * x.shape[1]], rtol=1e-5)
    assert (found.false_discovery[1] == 1).all()
    assert found.false_discovery[0].min() < 0.01
    untyped = codes.copy()
    untyped[:50] = -1
    assert not fitted(positions, untyped, x, y).betas[:50].any()
    constant = fitted(positions, codes, x, np.full_like(y, 2.0), TravlrConfig())
    np.testing.assert_allclose(constant.betas[:, 0], 2.0, rtol=1e-6)
    assert not constant.betas[:, 1:].any()
    assert constant.effects == (0.0,) * x.shape[1]
    assert constant.fit_r2 == (0.0,) * 3
    line = positions * [1.0, 0.0]
    assert np.isfinite(fitted(line, codes, x, y).betas).all()
    place, codes, x, y, betas = tissue(n=1500, dimensions=3)
    found = fitted(place, codes, x, y)
    assert np.corrcoef(found.betas[:, 1], betas[:, 0])[0, 1] > 0.9


def test_same_seed_same_betas_and_a_stop_leaves_nothing():
    positions, codes, x, y, _ = tissue(n=400)
    first, second = fitted(positions, codes, x, y), fitted(positions, codes, x, y)
    np.testing.assert_array_equal(first.betas, second.betas)
    np.testing.assert_array_equal(first.false_discovery, second.false_discovery)
    stop = threading.Event()
    stop.set()
    place = SmoothPlace.of(positions, codes, ("a", "b", "c"), OPEN)
    assert run_to_end(smooth_gene_steps("T", design_of(x, y), place, OPEN, stop)) is None


def test_first_variances_fall_off_with_the_wave_number():
    *_, layout, data = small_problem()
    first = start(data, layout)
    assert first.spectrum[0] == 0
    assert first.spectrum.sum() == pytest.approx(1)
    order = np.argsort(layout.wave_numbers[1:], kind="stable")
    assert (np.diff(first.spectrum[1:][order]) <= 1e-12).all()
    assert first.spectrum[1:].max() < 20 * first.spectrum[1:].min()
    assert (start(data, replace(layout, broad=0)).groups[:, 2:] == 0).all()


def test_a_strength_of_which_nothing_is_known_changes_by_the_most_that_is_allowed():
    found = smooth_model._ratio(np.array([0.0, 1.0, 1e-9, 3.0]), np.array([0.0, 0.0, 1.0, 2.0]), 5.0)
    np.testing.assert_allclose(found, [0.2, 5.0, 0.2, 1.5])


def test_shares_of_the_work_rise_to_the_whole():
    positions, codes, x, y, _ = tissue(n=300, modulators=12)
    basis = SmoothBasis.over(positions, 2)
    z = np.column_stack([np.ones(300), (x - x.mean(axis=0)) / x.std(axis=0)]).astype(np.float32)
    steps = screened_steps(z, basis.values(positions), (y - y.mean()).astype(float), codes, basis.wave_numbers, 4)
    shares = list(steps)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.2
    assert 0.6 < shares[-1] <= 1


def test_the_order_of_the_modulators_does_not_matter_to_the_choice():
    """What varies over the tissue by itself, a map of the intercept, is no reason to choose."""
    rng = np.random.default_rng(2)
    positions, codes = rng.uniform(size=(900, 2)), rng.integers(2, size=900).astype(np.int32)
    x = rng.normal(size=(900, 40)).astype(np.float32)
    y = x[:, [4, 17, 32]].sum(axis=1) + 4 * np.cos(np.pi * positions[:, 0]) + rng.normal(size=900)
    basis = SmoothBasis.over(positions, 3)
    values = basis.values(positions)
    for order in (np.arange(40), np.roll(np.arange(40), -4), rng.permutation(40)):
        z = np.column_stack([np.ones(900), x[:, order]]).astype(np.float32)
        chosen = drained(screened_steps(z, values, y, codes, basis.wave_numbers, 3))
        assert set(order[chosen].tolist()) == {4, 17, 32}


def test_progress_of_a_gene_rises_to_the_whole(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_REPORTS", 0.0)
    positions, codes, x, y, _ = tissue(n=200, modulators=5)
    config = TravlrConfig(score_threshold=-100, max_modulators=3)
    place, reports = SmoothPlace.of(positions, codes, ("a", "b", "c"), config), []
    run_to_end(smooth_gene_steps("T", design_of(x, y), place, config), reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.1
    assert fractions[-1] == pytest.approx(1)
    assert len({report.phase for report in reports}) == 4


def test_what_is_learned_does_not_depend_on_the_unit_of_the_target(side):
    z, values, target, codes, layout, _ = small_problem()
    learned = []
    for unit in (1.0, 300.0, 1 / 300):
        data = moments(z, values, unit * target, codes, 3, layout.broad)
        first = start(data, layout)
        first.groups[2] = 1e-12 * data.mean_square  # next to nothing, which is taken for nothing
        learned.append(drained(learn_steps(data, layout, first)).variances)
    assert (learned[0].groups[2] == 0).all()
    for unit, found in zip((300.0, 1 / 300), learned[1:], strict=True):
        np.testing.assert_allclose(found.groups, unit**2 * learned[0].groups, rtol=1e-4)
        np.testing.assert_allclose(found.noise, unit**2 * learned[0].noise, rtol=1e-4)
        np.testing.assert_allclose(found.spectrum, learned[0].spectrum, rtol=1e-4)


def test_spectrum_follows_the_sizes_of_the_coefficients_of_like_fineness():
    """Of each shell: the summed squares over what is expected, one more of both, and at most fivefold at once."""
    *_, layout, data = small_problem()
    old = start(data, layout)
    old.groups[2, :2] = 1e-9, 0  # a modulator without a field
    solved = smooth_model._solve(data, layout, old)
    ratio = np.array([[1.0, 0.5, 1, 1], [1.0, 2.0, 1, 1], [1.0, 7.0, 1, 1]])
    size, expected = np.ones(layout.shells.max() + 1), np.ones(layout.shells.max() + 1)
    for column, one, free in zip(solved.columns, solved.common_size, solved.common_freed, strict=True):
        modulator, function = divmod(int(column), layout.functions)
        if function:
            size[layout.shells[function]] += one
            expected[layout.shells[function]] += ratio[modulator, smooth_model.FIELD] * free
    shifted = old.spectrum * np.clip(size / expected, 0.2, 5)[layout.shells]
    found = smooth_model._spectrum(layout, old, solved, ratio, solved.columns % layout.functions)
    np.testing.assert_allclose(found, shifted / shifted.sum())


def test_shares_of_learning_leave_the_last_for_the_coefficients():
    *_, layout, data = small_problem()
    assert list(learn_steps(data, layout, steps=3)) == pytest.approx([0.25, 0.5, 0.75])


def test_a_weak_modulator_of_one_type_is_chosen_once_the_strong_one_is_explained():
    rng = np.random.default_rng(4)
    positions, codes = rng.uniform(size=(900, 2)), np.repeat([0, 1], [300, 600]).astype(np.int32)
    x = rng.normal(size=(900, 60)).astype(np.float32)
    y = np.where(codes == 1, 3 * x[:, 7] + 0.6 * x[:, 20], 0) + 0.5 * rng.normal(size=900)
    basis = SmoothBasis.over(positions, 2)
    z = np.column_stack([np.ones(900), x]).astype(np.float32)
    chosen = drained(screened_steps(z, basis.values(positions), y, codes, basis.wave_numbers, 2))
    assert chosen.tolist() == [7, 20]
