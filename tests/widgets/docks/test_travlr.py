import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.data.io import contents, read_h5ad
from napari_tissue_dynamics.data.io.action_log import read_log
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField, modulator_in_words
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.progress import Progress, run_to_end
from napari_tissue_dynamics.travlr import TravlrConfig, training
from napari_tissue_dynamics.travlr.priors.pairs import bundled_pairs
from napari_tissue_dynamics.widgets.canvas.open_tissue import OpenedTissue, show_tissue
from napari_tissue_dynamics.widgets.docks.inspector import InspectorDock
from napari_tissue_dynamics.widgets.docks.travlr import TravlrDock
from napari_tissue_dynamics.workflow.replay import replay_steps


@pytest.fixture
def dock(open_dock, workspace, simulated, tiny_travlr):
    dock = open_dock(TravlrDock)
    workspace.set_tissue(simulated.tissue)
    truth = simulated.truth
    dock.network.targets.set_genes(truth.targets[:2])
    dock.network.regulators.set_genes(truth.regulators[truth.targets[0]])
    dock.network.pairs.setCurrentText("none")
    dock.form.set_value(tiny_travlr)
    return dock


def fake_fit(targets, n_cells, *, pause=0.0, forever=False, error=None):
    """A fit whose betas are known: target k, modulator m has k + m in every cell."""

    def steps(tissue, names, network, config, stop):
        import time

        genes = []
        for k, name in enumerate(targets):
            betas = np.tile(np.float32([k, k + 1, k + 2]), (n_cells, 1))
            genes.append(GeneFit(name, ("A", "B"), betas, ("all",), (0.5,), (0.6,)))
            time.sleep(pause)
            yield Progress(f"{name} fitted", k + 1, len(targets), (k + 1) / len(targets) / 2, snapshot=genes[-1])
        if error is not None:
            raise error
        while forever and not stop.is_set():
            time.sleep(0.01)
            yield Progress("more", 1, 2, 0.6)
        return RegulationField(tuple(genes), stopped=stop.is_set())

    return steps


def test_run_button_fits_and_draws_the_first_target(dock, viewer, workspace, simulated, tiny_travlr, finish):
    dock.panel.button.click()
    finish(dock)
    assert not dock.message.text()
    targets = simulated.truth.targets[:2]
    assert workspace.regulation.targets == targets
    assert workspace.regulation_config == tiny_travlr
    first = workspace.regulation[targets[0]]
    name = f"beta {targets[0]} ← {modulator_in_words(first.strongest)}"
    assert [layer.name for layer in viewer.layers] == [name]
    shown = np.asarray(viewer.layers[name].features[name])
    np.testing.assert_array_equal(shown, first.beta(first.strongest))
    low, high = viewer.layers[name].face_contrast_limits
    assert low == -high
    assert dock.target.count() == 2
    assert targets[0] in dock.summary.text()


def test_a_pair_is_shown_in_words_and_drawn(dock, viewer, workspace, tissue, tiny_travlr):
    betas = np.tile(np.float32([0, 1, 2, 3]), (tissue.n_cells, 1))
    workspace.set_regulation(RegulationField((GeneFit("T", ("A", "Wnt3$Fzd2", "Bmp4#Sox9"), betas),)), tiny_travlr)
    shown = [dock.modulator.itemText(i) for i in range(dock.modulator.count())]
    assert set(shown) == {"beta0", "A", "Wnt3 \N{EN DASH} Fzd2", "Bmp4 → Sox9"}
    for name, value in (("Wnt3 \N{EN DASH} Fzd2", 2), ("Bmp4 → Sox9", 3)):
        dock.modulator.setCurrentText(name)
        dock.modulator.textActivated.emit(name)
        layer = viewer.layers[f"beta T ← {name}"]
        assert np.all(layer.features[layer.name] == value)
        assert dock.modulator.currentText() == name


def test_combos_draw_any_modulator_of_any_target(dock, viewer, tissue, monkeypatch, finish):
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G1", "G2"], tissue.n_cells))
    dock.start()
    finish(dock)
    assert [layer.name for layer in viewer.layers] == ["beta G1 ← B"]
    dock.target.setCurrentText("G2")
    dock.modulator.setCurrentText("A")
    dock.modulator.textActivated.emit("A")
    layer = viewer.layers["beta G2 ← A"]
    assert np.all(layer.features["beta G2 ← A"] == 2)
    assert not viewer.layers["beta G1 ← B"].visible


def test_second_run_renews_what_is_shown_and_drops_what_is_gone(dock, viewer, tissue, monkeypatch, finish):
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G1", "G2"], tissue.n_cells))
    dock.start()
    finish(dock)
    dock.show_beta("G2", "A")
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G0", "G2"], tissue.n_cells))
    dock.start()
    finish(dock)
    assert [layer.name for layer in viewer.layers] == ["beta G2 ← A"]


def test_finished_genes_are_drawn_while_the_rest_runs(dock, viewer, workspace, tissue, monkeypatch, qtbot, finish):
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G1"], tissue.n_cells, forever=True))
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].name == "running: beta G1 ← B"
    assert workspace.regulation is None
    dock.stop()
    finish(dock)
    assert len(viewer.layers) == 0
    assert workspace.regulation is None


def test_stop_leaves_the_last_result(dock, viewer, workspace, tissue, monkeypatch, qtbot, finish):
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G1"], tissue.n_cells))
    dock.start()
    finish(dock)
    before, layers = workspace.regulation, [layer.unique_id for layer in viewer.layers]
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G5"], tissue.n_cells, forever=True))
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    dock.stop()
    finish(dock)
    assert workspace.regulation is before
    assert [layer.unique_id for layer in viewer.layers] == layers


def test_runtime_error_gives_one_sentence(dock, viewer, workspace, tissue, monkeypatch, finish):
    steps = fake_fit(["G1"], tissue.n_cells, error=RuntimeError("size mismatch"))
    monkeypatch.setattr(training, "fit_steps", steps)
    dock.start()
    finish(dock)
    assert "size mismatch" in dock.message.text()
    assert len(viewer.layers) == 0
    assert workspace.running == ""
    assert dock.panel.button.text() == "Fit SpaceTravLR"


@pytest.mark.parametrize(
    ("targets", "regulators", "words"),
    [("", "", "No target gene"), ("NoSuchGene", "", "NoSuchGene"), (None, "NoSuchTf", "NoSuchTf")],
)
def test_bad_choices_give_one_sentence(dock, viewer, finish, targets, regulators, words):
    if targets is not None:
        dock.network.targets.setText(targets)
    if regulators:
        dock.network.regulators.setText(regulators)
    dock.panel.button.click()
    finish(dock)
    assert words in dock.message.text()
    assert len(viewer.layers) == 0


def test_pairs_file_must_be_named(dock, finish):
    dock.network.pairs.setCurrentText("from a file")
    assert dock.network.pairs_file.isVisibleTo(dock)
    dock.start()
    assert "No file with ligand-receptor pairs" in dock.message.text()


def test_bundled_pairs_are_offered_first(dock):
    dock.network.pairs.setCurrentIndex(0)
    assert dock.network.value().pairs == "bundled"
    pytest.importorskip("liana")
    assert len(bundled_pairs("mouse")) > 100


def test_genes_are_completed_one_by_one(dock, qtbot, tissue):
    edit = dock.network.targets
    edit.clear()
    qtbot.keyClicks(edit, f"{tissue.genes[0]}, {tissue.genes[1][:3]}")
    edit._complete(tissue.genes[1])
    assert edit.genes() == (tissue.genes[0], tissue.genes[1])


def test_legend_is_symmetric_around_zero(dock, viewer, tissue, monkeypatch, finish):
    monkeypatch.setattr(training, "fit_steps", fake_fit(["G1"], tissue.n_cells))
    dock.start()
    finish(dock)
    scale = viewer.layers[0].metadata[PLUGIN]["legend"].scale
    assert scale.low == -scale.high


def test_default_fit_says_how_cells_left_out_are_predicted_and_masks_what_is_not_supported(
    dock, viewer, workspace, simulated, finish
):
    dock.form.set_value(TravlrConfig())
    dock.panel.button.click()
    finish(dock)
    assert not dock.message.text()
    gene = workspace.regulation.genes[0]
    assert f"{np.mean(gene.held_out_r2):.2f} (held-out cells)" in dock.summary.text()
    assert "significant in at least one cell type" in dock.summary.text()
    name = f"beta {gene.target} ← {gene.strongest}"
    shown = np.asarray(viewer.layers[name].features[name])
    assert np.isfinite(shown).all()
    assert dock.supported.isEnabled()
    dock.supported.click()
    masked = np.asarray(viewer.layers[name].features[name])
    expected = gene.supported(gene.strongest, simulated.tissue.cell_types)
    np.testing.assert_array_equal(np.isfinite(masked), expected)
    dock.supported.click()
    np.testing.assert_array_equal(np.asarray(viewer.layers[name].features[name]), shown)


def test_genes_kept_in_a_folder_open_again(dock, workspace, simulated, tmp_path, finish, monkeypatch):
    folder = tmp_path / "genes"
    dock.form.set_value(TravlrConfig())
    dock.many.store.set_path(folder)
    dock.start()
    finish(dock)
    assert not dock.message.text()
    fitted = workspace.regulation
    assert fitted.targets == simulated.truth.targets[:2]
    workspace.set_regulation(None)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    dock.many.open_button.click()
    finish(dock)
    assert set(workspace.regulation.targets) == set(fitted.targets)
    for target in fitted.targets:
        np.testing.assert_array_equal(workspace.regulation[target].betas, fitted[target].betas)


def test_a_folder_without_betas_and_a_wrong_address_give_a_sentence(dock, workspace, tmp_path, finish):
    dock.open_betas(tmp_path)
    finish(dock)
    assert str(tmp_path) in dock.message.text()
    assert workspace.regulation is None
    dock.many.scheduler.setText("somewhere")
    dock.start()
    assert "tcp://host:8786" in dock.message.text()


def test_all_measured_genes_can_be_targets(dock, workspace, finish):
    dock.form.set_value(TravlrConfig(permutations=0, held_out=False))
    dock.network.targets.set_genes([])
    dock.many.all_genes.setChecked(True)
    dock.network.regulators.set_genes(workspace.tissue.genes[:2])
    dock.start()
    finish(dock)
    assert not dock.message.text()
    assert len(workspace.regulation.genes) == workspace.tissue.n_genes
    assert "genes" in dock.summary.text()
    assert not dock.supported.isEnabled()


def test_suggest_fills_in_the_genes_that_vary_most_in_space(dock, tissue, workspace, finish):
    from napari_tissue_dynamics.analysis.genes.spatial_genes import spatial_genes, suggested_targets

    dock.network.suggest.click()
    finish(dock)
    assert not dock.message.text()
    assert dock.network.targets.genes() == suggested_targets(spatial_genes(workspace.tissue))
    assert 0 < len(dock.network.targets.genes()) <= 10


def test_betas_of_a_reopened_file_are_loaded_drawn_and_inspected(
    dock, open_dock, viewer, workspace, tmp_path, qtbot, finish
):
    dock.show()
    config = TravlrConfig(radius=120.0, permutations=30)
    dock.form.set_value(config)
    dock.panel.button.click()
    finish(dock)
    fitted, tissue = workspace.regulation, workspace.tissue
    assert not dock.stored_button.isVisible()
    path = workflow.save(tmp_path / "with_betas.h5ad", tissue, regulation=fitted, settings=[config])

    show_tissue(viewer, workspace, OpenedTissue(read_h5ad(path), path, contents(path)))
    assert workspace.regulation is None
    assert dock.stored_button.isVisible()
    qtbot.mouseClick(dock.stored_button, Qt.MouseButton.LeftButton)
    finish(dock)
    assert not dock.message.text()
    assert workspace.regulation_config == config
    gene = fitted.genes[0]
    found = workspace.regulation[gene.target]
    np.testing.assert_array_equal(found.betas, gene.betas)
    np.testing.assert_array_equal(found.deviations, gene.deviations)
    np.testing.assert_array_equal(found.false_discovery, gene.false_discovery)
    shown = f"beta {gene.target} ← {gene.strongest}"
    np.testing.assert_array_equal(viewer.layers[shown].features[shown], gene.beta(gene.strongest))
    assert dock.supported.isEnabled()
    qtbot.mouseClick(dock.supported, Qt.MouseButton.LeftButton)
    assert dock.supported.isChecked()

    inspector = open_dock(InspectorDock)
    inspector.show()
    workspace.pick(5)
    qtbot.waitUntil(lambda: bool(inspector.betas.table.shown()))
    known = {name: gene.deviations[gene.clusters.index(type_of(tissue, 5)), 1 + k]
             for k, name in enumerate(gene.modulators)}  # fmt: skip
    assert any(known[row[0]] == pytest.approx(each) for row in inspector.betas.table.shown() for each in row[1:])

    again = workflow.save(tmp_path / "again.h5ad", tissue, source=path, actions=workspace.log.actions)
    again = run_to_end(replay_steps(read_log(again), tmp_path / "replayed.h5ad", source=path))
    np.testing.assert_array_equal(workflow.open_betas(again, tissue)[gene.target].betas, gene.betas)


def type_of(tissue, cell):
    return tissue.cell_types.categories[tissue.cell_types.codes[cell]]


def test_betas_of_other_cells_than_those_of_the_file_give_a_sentence(dock, viewer, workspace, tmp_path, finish):
    dock.panel.button.click()
    finish(dock)
    path = workflow.save(tmp_path / "all.h5ad", workspace.tissue, regulation=workspace.regulation)
    some = read_h5ad(path).select_cells(np.arange(20))
    show_tissue(viewer, workspace, OpenedTissue(some, path, contents(path)))
    dock.stored_button.click()
    finish(dock)
    assert "20 cells are loaded" in dock.message.text()
    assert workspace.regulation is None
