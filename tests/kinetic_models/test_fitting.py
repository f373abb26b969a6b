"""Whole fits of the three models: what they recover, that they repeat, stop, and say what is wrong."""

import threading
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import get_type_hints

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.analysis.validation.benchmark_metrics import gene_cosine, time_agreement
from napari_tissue_dynamics.data.io.read_results import read_velocity
from napari_tissue_dynamics.data.io.write import write_h5ad
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit, fit_steps
from napari_tissue_dynamics.kinetic_models.backend import Backend
from napari_tissue_dynamics.kinetic_models.dynamical import CellPlaces, Curves, ExpectedSlope, fit_curves_steps
from napari_tissue_dynamics.kinetic_models.fitting import _counted, _enough, _of_curves
from napari_tissue_dynamics.kinetics.cell_depth import estimate_depth
from napari_tissue_dynamics.kinetics.clock import Clock
from napari_tissue_dynamics.kinetics.prepare import choose_counts, see
from napari_tissue_dynamics.kinetics.root_cells import Origin
from napari_tissue_dynamics.kinetics.shared_time import Pairs, SharedTime
from napari_tissue_dynamics.kinetics.smooth import SmoothValues
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.simulators.noise import Noise

MODELS = ("steady_state", "stochastic", "dynamical")
COUNTED = Noise(gaussian=0.0, sparsity=(0.0, 0.0), depth=1500.0, dropout=0.1)


@pytest.fixture(scope="module")
def simulated():
    return simulate_branching(700, 250, seed=2, noise=COUNTED)


@pytest.fixture(scope="module")
def results(simulated):
    return {model: fit(simulated.tissue, KineticsConfig(model=model)) for model in MODELS}


def cosine(field, simulated):
    """Return the cosine with the true velocity, in counts; the moments are in counts of a cell of median depth."""
    columns = [simulated.tissue.gene_index(gene) for gene in field.genes]
    spliced = simulated.truth.spliced[:, columns]
    unit = (field.moments_spliced * spliced).sum(axis=0) / (spliced**2).sum(axis=0)
    return gene_cosine(field.spliced, simulated.truth.velocity[:, columns] * unit)


@pytest.mark.parametrize(("model", "least"), [("steady_state", 0.7), ("stochastic", 0.7), ("dynamical", 0.82)])
def test_velocity_and_time_of_counted_cells_are_recovered(results, simulated, model, least):
    field = results[model]
    assert cosine(field, simulated) > least
    assert time_agreement(field.time, simulated.truth.time).overall > 0.97
    assert (field.time.min(), field.time.max()) == (0, 1)
    columns = [simulated.tissue.gene_index(gene) for gene in field.genes]
    truth = simulated.truth.alpha[:, columns] - (simulated.truth.beta * simulated.truth.unspliced)[:, columns]
    assert gene_cosine(field.unspliced, truth) > (0.35 if model == "dynamical" else 0.5)


@pytest.mark.parametrize("model", MODELS)
def test_velocity_is_beta_u_minus_gamma_s(results, model):
    field = results[model]
    expected = field.beta * field.moments_unspliced - field.gamma * field.moments_spliced
    if model == "dynamical":  # as far as it explains the steps of a gene
        explained = field.gene_table["fit_agreement"] > 0.8
        assert explained.sum() > 20
        assert gene_cosine(field.spliced[:, explained].T, expected[:, explained].T) > 0.95
    else:
        assert_allclose(field.spliced, expected, atol=1e-4 * np.abs(expected).max())
    for name in ("spliced", "unspliced", "moments_spliced", "moments_unspliced", "gene_weight"):
        assert np.isfinite(getattr(field, name)).all()
    assert field.velocity_genes.sum() > 0.3 * len(field.genes)
    assert ((field.gene_weight >= 0) & (field.gene_weight <= 1)).all()


def test_rates_are_in_one_unit(results, simulated):
    """The true rates of all genes are per unit of one time: so are those that are found."""
    field = results["dynamical"]
    columns = [simulated.tissue.gene_index(gene) for gene in field.genes]
    told = (field.beta[0] > 0) & (field.gamma[0] > 0) & (field.gene_weight > 0.5)
    assert told.sum() > 80
    unit = np.ptp(simulated.truth.time)
    rates = (field.gene_table[name] for name in ("fit_beta", "fit_gamma"))  # those of all cells
    for found, true in zip(rates, (simulated.truth.beta[0], simulated.truth.gamma[0]), strict=True):
        ratio = found[told] / (true[columns][told] * unit)
        assert_allclose(np.median(ratio), 1, atol=0.3)
        assert np.quantile(np.abs(np.log(ratio)), 0.75) < 0.7
    assert_allclose(np.median(field.beta.mean(axis=0)[told] / field.gene_table["fit_beta"][told]), 1, atol=0.2)


def test_table_is_that_of_the_curve_in_the_terms_of_scvelo(results):
    """Unspliced RNA over its scaling has the transcription alpha and the splicing rate beta x scaling."""
    field = results["dynamical"]
    table = {name: values.astype(float) for name, values in field.gene_table.items()}
    told = (field.beta[0] > 0) & (field.gamma[0] > 0) & (field.gene_weight > 0.5)
    there = field.moments_unspliced > 0.1 * field.moments_unspliced.max(axis=0)
    lost = (field.alpha - field.unspliced) / np.where(there, field.moments_unspliced, np.nan)
    loss = np.nanmedian(lost, axis=0)
    assert_allclose(lost[there], np.broadcast_to(loss, lost.shape)[there], rtol=1e-3)
    # The slope of the curve is gamma / beta: then the loss of unspliced RNA is the splicing of the scaled RNA.
    ratio = loss[told] / (table["fit_beta"] * table["fit_scaling"])[told]
    assert np.quantile(np.abs(np.log(ratio)), 0.9) < 0.1
    highest = table["fit_alpha"] * table["fit_scaling"]
    assert_allclose(field.alpha, highest * (field.regulation + 1) / 2, rtol=1e-4, atol=1e-6 * highest.max())
    assert (table["fit_likelihood"][told] > 0).all()


def test_states_follow_transcription(results, simulated):
    field = results["dynamical"]
    columns = [simulated.tissue.gene_index(gene) for gene in field.genes]
    alpha = simulated.truth.alpha[:, columns]
    on = alpha > 0.5 * alpha.max(axis=0)
    both = (on.mean(axis=0) > 0.2) & (on.mean(axis=0) < 0.8)
    assert ((field.regulation > 0) == on)[:, both].mean() > 0.7
    assert (field.gene_time >= 0).all()


def test_without_a_shared_time_the_splicing_rate_is_one(simulated):
    config = KineticsConfig(model="steady_state", shared_time=False)
    field = fit(simulated.tissue, config)
    assert_array_equal(np.unique(field.beta), 1)
    assert_allclose(field.gamma[0], field.gene_table["velocity_gamma"])
    dynamical = fit(simulated.tissue, replace(config, model="dynamical"))
    time, switch = dynamical.gene_time, dynamical.gene_table["fit_t_"]
    before = np.where(time <= switch * (1 + 1e-6), time, 0).max(axis=0)
    after = np.maximum(time - switch, 0).max(axis=0)
    assert_allclose(before + after, 20, rtol=0.01)


def test_the_settings_of_scvelo_give_plain_moments(simulated):
    field = fit(simulated.tissue, KineticsConfig.as_scvelo("steady_state"))
    counts = simulated.tissue.spliced.toarray()
    size = counts.sum(axis=1, keepdims=True)
    columns = [simulated.tissue.gene_index(gene) for gene in field.genes]
    scaled = (counts / size * np.median(size))[:, columns]
    # Means over neighborhoods lie between the values of cells and keep their mean about.
    assert_allclose(field.moments_spliced.mean(axis=0), scaled.mean(axis=0), rtol=0.1, atol=0.02)
    assert (field.moments_spliced.max(axis=0) <= scaled.max(axis=0) + 1e-4).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_result_and_other_random_numbers_are_left_alone(simulated, model, results):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again = fit(simulated.tissue, KineticsConfig(model=model))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for field in fields(again):
        one, other = getattr(again, field.name), getattr(results[model], field.name)
        if isinstance(one, np.ndarray):
            assert_array_equal(one, other)


def test_order_of_cells_does_not_matter(simulated, results):
    order = np.random.default_rng(0).permutation(simulated.tissue.n_cells)
    field = fit(simulated.tissue.select_cells(order), KineticsConfig(model="steady_state"))
    expected = results["steady_state"]
    assert np.corrcoef(field.time, expected.time[order])[0, 1] > 0.999
    assert np.corrcoef(field.spliced.ravel(), expected.spliced[order].ravel())[0, 1] > 0.99


def test_a_known_beginning_is_used(simulated):
    root = np.flatnonzero(simulated.truth.time < 0.5)
    field = fit(simulated.tissue, KineticsConfig(model="steady_state"), origin=Origin(roots=root))
    assert time_agreement(field.time, simulated.truth.time).overall > 0.97
    with pytest.raises(DataError, match="chosen as a root"):
        fit(simulated.tissue, origin=Origin(roots=np.array([10_000])))


@pytest.mark.parametrize("after", [0, 3, 6])
def test_stop_is_seen(simulated, after):
    stop = threading.Event()
    steps = fit_steps(simulated.tissue, KineticsConfig(), stop)
    for _ in range(after):
        next(steps)
    stop.set()
    with pytest.raises(FitError, match="stopped before velocities were computed"):
        run_to_end(steps)


def test_progress_rises_to_the_end(simulated):
    reports = []
    run_to_end(fit_steps(simulated.tissue, KineticsConfig()), reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] >= 0.8
    assert {"phase portraits", "states of the cells"} <= {report.phase for report in reports}


def test_bad_input_is_told(simulated):
    tissue = simulated.tissue
    with pytest.raises(DataError, match="no unspliced counts"):
        fit(tissue.with_(unspliced=None))
    with pytest.raises(DataError, match="a kinetic model needs at least 10"):
        fit(tissue.select_cells(np.arange(5)))
    with pytest.raises(DataError, match="min_shared_counts"):
        fit(tissue, KineticsConfig(min_shared_counts=10**7))
    with pytest.raises(DataError, match="negative or not finite"):
        fit(tissue.with_(spliced=-tissue.spliced))
    alike = sparse.csr_array(np.ones((tissue.n_cells, tissue.n_genes), np.float32))
    with pytest.raises(DataError, match="same counts"):
        fit(tissue.with_(spliced=alike, unspliced=alike.copy()))


def test_few_cells_and_genes_are_enough():
    small = simulate_branching(50, 10, seed=5, n_states=2, n_branch_points=0)
    for model in MODELS:
        field = fit(small.tissue.select_cells(np.arange(20)), KineticsConfig(model=model, min_shared_counts=0))
        assert np.isfinite(field.spliced).all()
        assert np.isfinite(field.time).all()


def test_empty_cells_and_silent_genes_are_carried_along(simulated):
    spliced, unspliced = simulated.tissue.spliced.toarray(), simulated.tissue.unspliced.toarray()
    spliced[:3] = unspliced[:3] = 0
    unspliced[:, :4] = 0
    tissue = simulated.tissue.with_(spliced=sparse.csr_array(spliced), unspliced=sparse.csr_array(unspliced))
    for model in MODELS:
        field = fit(tissue, KineticsConfig(model=model, min_shared_counts=0))
        assert len(field.genes) == 250
        assert np.isfinite(field.spliced).all()
        assert not field.velocity_genes[:4].any()


@pytest.mark.parametrize("model", MODELS)
def test_a_file_gives_the_result_back(results, simulated, tmp_path, model):
    field = results[model]
    write_h5ad(tmp_path / "out.h5ad", simulated.tissue, velocity=field)
    found = read_velocity(tmp_path / "out.h5ad")
    assert found.genes == field.genes
    for name in ("spliced", "unspliced", "moments_spliced", "beta", "gamma", "time", "gene_weight", "velocity_genes"):
        assert_array_equal(getattr(found, name), getattr(field, name))
    for name in ("gene_time", "regulation", "alpha", "variance"):
        assert (getattr(found, name) is None) == (getattr(field, name) is None)
    assert list(found.gene_table) == list(field.gene_table)
    for name, values in field.gene_table.items():
        assert_array_equal(found.gene_table[name], values)
    assert found.model == field.model


def test_curves_of_known_genes_are_found():
    """Moments on the curves of genes with a known switch: the dynamical model alone, in its own units."""
    from napari_tissue_dynamics.kinetics.closed_form import evolve

    rng = np.random.default_rng(7)
    number, beta = 40, 1.0
    gamma, end, alpha = rng.uniform(0.3, 1.5, number), rng.uniform(2, 4, number), rng.uniform(1, 5, number)
    time = rng.uniform(0, 8, 500)[:, None]
    starts, alphas = np.stack([np.zeros(number), end]), np.stack([alpha, np.zeros(number)])
    u, s, _ = evolve(time, starts, alphas, (beta, gamma), (np.zeros(number), np.zeros(number)))
    unknown = ExpectedSlope(np.zeros(number), np.ones(number))
    moments = [each.astype(np.float32) for each in (u, s)]
    steps = fit_curves_steps(*moments, unknown, KineticsConfig(max_iter=20), Backend.of("cpu"))
    curves = run_to_end(steps)
    assert_allclose(np.median(np.abs(curves.ratio / gamma - 1)), 0, atol=0.05)
    assert_allclose(np.median(np.abs(curves.switch / end - 1)), 0, atol=0.05)
    assert_allclose(np.median(np.abs(curves.top * curves.slope / alpha - 1)), 0, atol=0.05)
    assert_allclose(np.median(np.abs(curves.scaling - 1)), 0, atol=0.05)


def test_torch_and_numpy_fit_the_same_field(simulated, results, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(Backend, "of", classmethod(lambda cls, device: cls(torch, torch.device("cpu"))))
    found, expected = fit(simulated.tissue, KineticsConfig()), results["dynamical"]
    assert_allclose(found.spliced, expected.spliced, atol=1e-5 * np.abs(expected.spliced).max())
    names = ("fit_scaling", "fit_alpha", "fit_t_", "fit_likelihood")
    apart = [np.abs(found.gene_table[name] - expected.gene_table[name]) for name in names]
    near = [each < 0.02 * np.abs(expected.gene_table[name]) for each, name in zip(apart, names, strict=True)]
    assert min(each.mean() for each in near) > 0.9  # a few genes have two equally good curves
    same = np.logical_and.reduce(near)
    agree = (found.regulation > 0) == (expected.regulation > 0)
    assert agree[:, same].mean() > 0.99
    assert agree.mean() > 0.98


def test_defaults_lie_in_the_intervals_of_the_settings():
    config = KineticsConfig()
    for name, hint in get_type_hints(KineticsConfig, include_extras=True).items():
        for bound in getattr(hint, "__metadata__", ()):
            value = getattr(config, name)
            assert getattr(bound, "ge", None) is None or value >= bound.ge, name
            assert getattr(bound, "le", None) is None or value <= bound.le, name
            assert getattr(bound, "lt", None) is None or value < bound.lt, name


def test_one_depth_for_both_kinds_of_rna_is_that_of_the_robust_sum(simulated):
    counts = choose_counts(simulated.tissue, KineticsConfig(depth="common", n_top_genes=60))
    columns = [simulated.tissue.gene_index(simulated.tissue.genes[index]) for index in counts.genes]
    s, u = (layer.toarray()[:, columns] for layer in (simulated.tissue.spliced, simulated.tissue.unspliced))
    depth = estimate_depth(s, u).of(s, u)
    assert np.std(depth) > 0.05
    scaled_u, scaled_s = counts.scaled()
    assert_allclose(scaled_u.toarray(), u / depth[:, None], rtol=1e-4)
    assert_allclose(scaled_s.toarray(), s / depth[:, None], rtol=1e-4)


def test_where_hardly_a_gene_is_good_enough_the_best_fifth_counts():
    quality = np.random.default_rng(0).permutation(10.0 * np.arange(10))
    nobody, two = np.zeros(10, dtype=bool), quality < 15
    assert_array_equal(_enough(nobody, quality), quality >= 80)
    assert_array_equal(_enough(quality > 85, quality), quality >= 80)
    assert_array_equal(_enough(two, quality), two)


def test_genes_with_little_of_both_kinds_of_rna_count_and_with_one_kind_do_not():
    seen = SimpleNamespace(spliced=np.array([[0, 0.0, 0], [0.3, 0.0, 4]]), unspliced=np.array([[0.2, 3, 0], [0, 1, 0]]))
    assert _counted(seen).tolist() == [True, False, False]


@pytest.mark.parametrize("gamma", [0.4, 3.0])
def test_rates_of_the_shared_time_set_the_pace_of_a_curve(gamma):
    """Where the shared time says how fast RNA is lost, the curve is gone through at that speed."""
    cells, one = 6, np.ones(1)
    rng = np.random.default_rng(0)
    seen = SimpleNamespace(
        **{name: rng.uniform(1, 2, (cells, 1)).astype(np.float32) for name in ("spliced", "unspliced")}
    )
    curves = Curves(0.5 * one, 2 * one, 0.8 * one, 3 * one, one, one)
    time = rng.uniform(0, 4, (cells, 1)).astype(np.float32)
    places = CellPlaces(time, (time < 3).astype(np.float32), one, one)
    shared = SharedTime(np.linspace(0, 1, cells), 1.7 * one, gamma * one, one, 1.0)
    functions, none = np.zeros((cells, 1)), np.zeros((1, 1))
    seen.smooth_spliced = SmoothValues(functions, none, one)
    pairs = Pairs.of(sparse.csr_array((cells, cells)), functions)
    regime = np.zeros(cells, dtype=np.intp)
    clock = Clock(shared, regime, shared.beta[None], shared.gamma[None], one, functions, pairs)
    founded = SimpleNamespace(seen=seen, clock=clock)
    field = _of_curves(("g",), founded, seen, curves, places, config=KineticsConfig())
    pace = gamma / 0.8
    assert_allclose(field.alpha - field.unspliced, pace * seen.unspliced, rtol=1e-5)
    assert_allclose(field.alpha, np.where(time < 3, 2 * 0.5 * pace, 0), rtol=1e-5)
    assert_allclose(field.gene_time, time / pace, rtol=1e-5)
    assert_allclose(field.gene_table["fit_t_"], 3 / pace, rtol=1e-5)
    assert_allclose(field.spliced, 1.7 * seen.unspliced - gamma * seen.spliced, rtol=1e-4)


def test_fewer_cells_than_neighbors_are_not_all_joined():
    """Where every cell is joined to every other no function of the cells is slower than another."""
    small = simulate_branching(50, 10, seed=5, n_states=2, n_branch_points=0).tissue.select_cells(np.arange(20))
    config = KineticsConfig(min_shared_counts=0, n_neighbors=30)
    graph = see(choose_counts(small, config), config).graph
    assert 20 * 15 < graph.nnz < 20 * 20
