"""Phase portraits against a numerical integrator and against the velocities themselves."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from napari_tissue_dynamics import kinetic_models as velocity
from napari_tissue_dynamics.analysis.genes.portrait import portrait_of, ranked_genes
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.branching import simulate_branching


@pytest.fixture(scope="module")
def simulated():
    return simulate_branching(n_cells=400, n_genes=60, seed=1)


@pytest.fixture(scope="module")
def fields(simulated):
    return {
        model: velocity.fit(simulated.tissue, velocity.KineticsConfig(model=model))
        for model in ("steady_state", "dynamical")
    }


def field_of(table, **more):
    n_cells, genes = 30, ("a",)
    rng = np.random.default_rng(0)
    ones = rng.uniform(0.5, 1, (n_cells, 1)).astype(np.float32)
    table = {key: np.array([value], np.float32) for key, value in table.items()}
    return VelocityField(genes, ones, ones, ones, ones, gene_table=table, model="dynamical", **more)


@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 1.5), (3.0, 6.0), (1.5, 0.2)])
def test_curve_solves_the_equations(beta, gamma):
    alpha, switch, scaling = 5.0, 0.7, 2.0
    table = {"fit_alpha": alpha, "fit_beta": beta, "fit_gamma": gamma, "fit_t_": switch, "fit_scaling": scaling}
    course = portrait_of(field_of(table), "a").curves[0]

    # Unspliced RNA as it is counted, scaling times that in the unit of the spliced RNA.
    def change(t, y, on):
        u, s = y
        return [on * alpha * scaling - beta * scaling * u, beta * u - gamma * s]

    rise = solve_ivp(change, (0, switch), (0, 0), args=(1,), rtol=1e-9, atol=1e-12, dense_output=True)
    fall = solve_ivp(change, (0, 60), rise.y[:, -1], args=(0,), rtol=1e-9, atol=1e-12, dense_output=True)
    places = np.stack([course.unspliced, course.spliced])
    n_rise = (len(course.spliced) + 1) // 2
    np.testing.assert_allclose(places[:, :n_rise], rise.sol(np.linspace(0, switch, n_rise)), rtol=1e-5, atol=1e-6)
    end = -np.log(0.01) / min(beta * scaling, gamma)
    times = end * np.linspace(0, 1, n_rise)[1:] ** 2
    np.testing.assert_allclose(places[:, n_rise:], fall.sol(times), rtol=1e-4, atol=1e-6)


def test_curve_ends_with_the_last_cell():
    table = {"fit_alpha": 5.0, "fit_beta": 2.0, "fit_gamma": 1.0, "fit_t_": 0.7, "fit_scaling": 1.0}
    times = np.linspace(0, 0.9, 30, dtype=np.float32)[:, None]
    course = portrait_of(field_of(table, gene_time=times), "a").curves[0]
    u = 2.5 * (1 - np.exp(-1.4)) * np.exp(-2 * 0.2)
    assert course.unspliced[-1] == pytest.approx(u, rel=1e-5)


def test_cells_on_the_steady_line_stand_still(fields):
    """The velocity is beta times the height above the line, exactly."""
    field = fields["steady_state"]
    for gene in ranked_genes(field)[:5]:
        portrait = portrait_of(field, gene)
        ends_s, ends_u = portrait.steady.spliced, portrait.steady.unspliced
        height = portrait.unspliced - np.interp(portrait.spliced, ends_s, ends_u)
        beta = field.beta[:, field.genes.index(gene)]
        np.testing.assert_allclose(portrait.velocity, beta * height, atol=1e-4 * np.abs(portrait.velocity).max())
        assert portrait.curves == ()


def test_fitted_curve_is_as_near_to_the_cells_as_the_fit_says(fields):
    """One minus half the mean square of the nearest distances, in standard deviations, is the R² of the fit."""
    field = fields["dynamical"]
    portraits = [portrait_of(field, gene) for gene in ranked_genes(field)[:12]]
    portraits = [each for each in portraits if each.curves]
    assert len(portraits) > 8
    for portrait in portraits:
        scale = portrait.spliced.std(), portrait.unspliced.std()
        ends = np.linspace(0, 1, len(portrait.curves[0].spliced))
        fine = np.linspace(0, 1, 3000)
        line = [np.interp(fine, ends, each) for each in (portrait.curves[0].spliced, portrait.curves[0].unspliced)]
        apart = [
            (cells[:, None] - along) / unit
            for cells, along, unit in zip((portrait.spliced, portrait.unspliced), line, scale, strict=True)
        ]
        nearest = (apart[0] ** 2 + apart[1] ** 2).min(axis=1).mean()
        expected = field.gene_table["fit_r2"][field.genes.index(portrait.gene)]
        assert 1 - nearest / 2 == pytest.approx(expected, abs=0.01)


def test_best_genes_come_first(fields):
    field = fields["dynamical"]
    order = [field.genes.index(gene) for gene in ranked_genes(field)]
    assert sorted(order) == list(range(len(field.genes)))
    n = len(field.genes) if field.velocity_genes is None else int(field.velocity_genes.sum())
    quality = (field.gene_table["fit_r2"].clip(0) * field.gene_weight)[order]
    assert (np.diff(quality[:n]) <= 0).all()
    assert (np.diff(quality[n:]) <= 0).all()


def test_mean_course_follows_time():
    n = 1000
    time = np.random.default_rng(1).uniform(0, 1, n).astype(np.float32)
    s, u = time[:, None] * 2, 1 - time[:, None]
    ones = np.ones((n, 1), np.float32)
    field = VelocityField(("a",), ones, ones, s, u, time=time, alpha=ones, beta=2 * ones, gamma=ones, model="STEER")
    portrait = portrait_of(field, "a")
    np.testing.assert_allclose(portrait.curves[0].unspliced, 1 - portrait.curves[0].spliced / 2, atol=1e-5)
    assert (np.diff(portrait.curves[0].spliced) > 0).all()
    np.testing.assert_allclose(portrait.steady.unspliced, portrait.steady.spliced / 2)


def test_unknown_gene_is_told_with_the_nearest_name(fields):
    gene = fields["dynamical"].genes[0]
    with pytest.raises(DataError, match=f"Did you mean {gene}"):
        portrait_of(fields["dynamical"], gene + "x")


def test_every_expert_has_a_course_of_its_own():
    """Two arms that part at time 0: their common mean lies on neither of them."""
    n = 1000
    rng = np.random.default_rng(2)
    time, arm = rng.uniform(0, 1, n).astype(np.float32), rng.integers(0, 2, n)
    s = np.where(arm == 0, time, 0.2 * time).astype(np.float32)[:, None]
    u = np.where(arm == 0, 1 - time, 1 + time).astype(np.float32)[:, None]
    ones = np.ones((n, 1), np.float32)
    field = VelocityField(
        ("a",), ones, ones, s, u, time=time, alpha=ones, beta=ones, gamma=ones, model="STEER",
        expert_probability=np.eye(2, dtype=np.float32)[arm],
    )  # fmt: skip
    up, down = portrait_of(field, "a").curves
    assert (up.expert, down.expert) == (0, 1)
    np.testing.assert_allclose(up.unspliced, 1 - up.spliced, atol=1e-5)
    np.testing.assert_allclose(down.unspliced, 1 + 5 * down.spliced, atol=1e-4)
