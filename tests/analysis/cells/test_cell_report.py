import time

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.cells.cell_report import Reporter, Share
from napari_tissue_dynamics.analysis.regulation.beta_report import beta_report
from napari_tissue_dynamics.analysis.regulation.modulator_values import ModulatorValues, genes_of
from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.regulation_field import GeneFit
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.fit_inputs import make_plan
from napari_tissue_dynamics.travlr.priors.pairs import LigandReceptor
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
from napari_tissue_dynamics.travlr.shared_inputs import context_steps
from napari_tissue_dynamics.travlr.training import fit

GENES = ("Sox2", "Pax6", "Wnt5a", "Fzd2", "Dll1", "Notch1", "Axin2")
NETWORK = RegulatoryNetwork(
    {"Axin2": ("Sox2", "Pax6")},
    pairs=(LigandReceptor("Wnt5a", "Fzd2"), LigandReceptor("Dll1", "Notch1", "Cell-Cell Contact")),
)


def tissue_of(n=150, sparse_counts=False):
    rng = np.random.default_rng(4)
    expression = (rng.gamma(1.0, 1.0, (n, len(GENES))) * (rng.random((n, len(GENES))) < 0.7)).astype(np.float32)
    expression[:, 6] = 0.3 + expression[:, 0]
    return Tissue(
        cells=tuple(f"c{i}" for i in range(n)),
        genes=GENES,
        positions=rng.uniform(0, 100, (n, 2)),
        expression=sparse.csr_array(expression) if sparse_counts else expression,
        cell_types=Labels("kind", (np.arange(n) % 2).astype(np.int32), ("left", "right")),
    )


@pytest.mark.parametrize("sparse_counts", [False, True])
@pytest.mark.parametrize("kernel", ["gaussian", "truncated"])
def test_values_of_a_cell_are_the_columns_that_the_fit_has_used(kernel, sparse_counts):
    tissue, config = tissue_of(sparse_counts=sparse_counts), TravlrConfig(kernel=kernel, scale_factor=3.0)
    plan = make_plan(tissue, ["Axin2"], NETWORK, config)
    design = run_to_end(context_steps(plan, config)).design(plan.modulators[0])
    assert set(design.names) == {"Sox2", "Pax6", "Wnt5a$Fzd2", "Dll1$Notch1"}
    betas = np.zeros((tissue.n_cells, 5), np.float32)
    gene = GeneFit("Axin2", design.names, betas, contact_ligands=("Dll1",))
    values = ModulatorValues.of(tissue, gene, config)
    for cell in (0, 17, 149):
        np.testing.assert_allclose(values.at(cell), design.x[cell], rtol=1e-5, atol=1e-7)


def test_a_fit_tells_which_ligands_need_contact():
    config = TravlrConfig(permutations=0, held_out=False)
    assert fit(tissue_of(), ["Axin2"], NETWORK, config)["Axin2"].contact_ligands == ("Dll1",)


def test_modulators_are_taken_apart():
    assert genes_of("Sox2") == ("Sox2",)
    assert genes_of("Wnt5a$Fzd2") == ("Wnt5a", "Fzd2")
    assert genes_of("Wnt5a#Sox2") == ("Wnt5a", "Sox2")


def test_a_gene_that_was_not_measured_has_no_value():
    tissue = tissue_of()
    gene = GeneFit("Axin2", ("Sox2", "Gone", "Gone$Fzd2"), np.ones((150, 4), np.float32))
    x = ModulatorValues.of(tissue, gene).at(3)
    assert x[0] == tissue.expression[3, 0]
    assert np.isnan(x[1:]).all()


def test_shares_and_certainty_of_the_betas_of_a_cell():
    tissue = tissue_of()
    betas = np.tile(np.float32([0.5, 2.0, -1.0, 0.0]), (150, 1))
    deviations = np.float32([[9, 0.1, 0.2, 0.3], [9, 0.4, 0.5, 0.6]])
    rates = np.float32([[0.01, 0.2, 1], [0.03, 0.4, 1]])
    gene = GeneFit(
        "Axin2", ("Sox2", "Pax6", "Gone"), betas, ("left", "right"), deviations=deviations, false_discovery=rates
    )
    values = ModulatorValues.of(tissue, gene)
    cell = int(np.flatnonzero((tissue.expression[:, 0] > 0) & (tissue.expression[:, 1] > 0))[0])
    kind = cell % 2
    report = beta_report(tissue, gene, values, cell)
    sox2, pax6 = float(tissue.expression[cell, 0]), float(tissue.expression[cell, 1])
    by_name = {row.modulator: row for row in report.rows}
    total = 2 * sox2 + pax6
    assert by_name["Sox2"].share == pytest.approx(2 * sox2 / total)
    assert by_name["Pax6"].share == pytest.approx(-pax6 / total)
    assert by_name["Gone"].share == 0  # beta is zero
    assert report.predicted == pytest.approx(0.5 + 2 * sox2 - pax6, rel=1e-6)
    assert by_name["Pax6"].deviation == pytest.approx([0.2, 0.5][kind])
    assert by_name["Pax6"].fdr == pytest.approx([0.2, 0.4][kind])
    assert (by_name["Sox2"].sign, by_name["Pax6"].sign, by_name["Gone"].sign) == ("raises", "lowers", "none")
    sizes = [abs(row.share) for row in report.rows]
    assert sizes == sorted(sizes, reverse=True)


def test_betas_of_other_cells_are_refused():
    tissue = tissue_of()
    gene = GeneFit("Axin2", ("Sox2",), np.zeros((150, 2), np.float32))
    values = ModulatorValues.of(tissue, gene)
    with pytest.raises(DataError, match="149 cells but the tissue has 150"):
        beta_report(tissue, GeneFit("Axin2", ("Sox2",), np.zeros((149, 2), np.float32)), values, 0)


def field_of(n=40, seed=0):
    rng = np.random.default_rng(seed)
    genes = ("A", "B", "C")
    return VelocityField(
        genes,
        *(rng.normal(size=(n, 3)).astype(np.float32) for _ in range(4)),
        time=rng.random(n).astype(np.float32),
        expert_probability=np.tile(np.float32([0.25, 0.75]), (n, 1)),
        velocity_genes=np.array([True, False, True]),
    )


def test_report_of_a_cell_says_what_the_results_say():
    field, base = field_of(), tissue_of(40)
    fates = np.tile(np.float32([0.2, 0.8]), (40, 1))
    fates[5] = np.nan
    reporter = Reporter.of(base, field, fates, ("neuron", "glia"))
    report = reporter.report(7)
    assert (report.name, report.cell_type, report.type_column) == ("c7", "right", "kind")
    assert report.time == pytest.approx(field.time[7])
    assert report.time_rank == pytest.approx(np.mean([t < field.time[7] for t in field.time]))
    assert report.experts == (Share("expert 0", 0.25), Share("expert 1", 0.75))
    assert [share.name for share in report.fates] == ["glia", "neuron"]
    assert reporter.report(5).fates == ()
    relative = field.spliced[7].astype(float) / field.moments_spliced.astype(float).std(axis=0)
    expected = sorted((k for k in (0, 2)), key=lambda k: -abs(relative[k]))
    assert [each.gene for each in report.genes] == [field.genes[k] for k in expected]
    assert report.genes[0].in_spreads == pytest.approx(relative[expected[0]])
    assert dict(report.lines())["latent time"] == f"{field.time[7]:.3f}"
    with pytest.raises(DataError, match="no cell 40"):
        reporter.report(40)


def test_report_without_results_has_what_the_tissue_has():
    base = tissue_of(10)
    report = Reporter.of(base.with_(cell_types=None)).report(0)
    assert (report.cell_type, report.time, report.experts, report.genes) == ("", None, (), ())
    assert report.position == tuple(base.positions[0])


def test_a_click_takes_less_than_a_tenth_of_a_second_in_a_hundred_thousand_cells():
    rng = np.random.default_rng(0)
    n, n_genes = 100_000, 31
    genes = tuple(f"g{k}" for k in range(n_genes))
    expression = sparse.random_array((n, n_genes), density=0.15, rng=rng, dtype=np.float32, format="csr")
    labels = Labels("kind", rng.integers(0, 8, n).astype(np.int32), tuple("abcdefgh"))
    tissue = Tissue(tuple(f"c{i}" for i in range(n)), genes, rng.random((n, 2)) * 1e4, expression=expression,
                    cell_types=labels)  # fmt: skip
    names = (*genes[:10], *(f"{genes[k]}${genes[k % 10]}" for k in range(10, 30)))
    factors = BetaFactors(
        rng.normal(size=(n, 20)).astype(np.float32), labels.codes.copy(),
        rng.normal(size=(8, 20, 31)).astype(np.float32), np.ones((8, 31), np.float32),
    )  # fmt: skip
    gene = GeneFit("g30", names, factors, labels.categories)
    arrays = rng.normal(size=(n, n_genes)).astype(np.float32)
    reporter = Reporter.of(tissue, VelocityField(genes, arrays, arrays, arrays, arrays, time=arrays[:, 0].copy()))
    values = ModulatorValues.of(tissue, gene)
    took = []
    for cell in rng.integers(0, n, 5).tolist():
        start = time.thread_time()
        reporter.report(cell)
        beta_report(tissue, gene, values, cell)
        took.append(time.thread_time() - start)
    assert min(took) < 0.1
