import subprocess
import sys
import time

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor, QImage, QPalette

from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.steer.prior.n_experts import ExpertNumber
from napari_tissue_dynamics.widgets.docks import velocity
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.panels.expert_number_panel import ExpertNumberPanel
from napari_tissue_dynamics.widgets.plots.expert_curve import MARKS, ExpertCurve, value_range

THEMES = {"dark": ("#262930", "#f0f1f2"), "light": ("#efebe9", "#3b3a39")}


@pytest.fixture
def estimate():
    numbers = np.arange(1, 11, dtype=np.int32)
    entropies, stability = np.full(10, np.nan), np.full(10, np.nan)
    entropies[:8] = [0, 2, 3, 30, 60, 95, 130, 170]
    stability[:8] = [1, 0.8, 1, 0.7, 0.75, 0.8, 0.7, 0.72]
    bic = -(5.0e4 + 900 * (numbers - 8.0) ** 2)
    return ExpertNumber(
        recommended=3,
        numbers=numbers,
        bic=bic,
        icl=bic - np.linspace(0, 900, 10),
        entropies=entropies,
        stability=stability,
        recommendations={"stability": 3, "icl": 7, "bic": 8, "entropy": 4},
        method="stability",
        labels=np.zeros(5, dtype=np.int32),
    )


@pytest.fixture
def curve(qtbot, estimate):
    widget = ExpertCurve()
    qtbot.addWidget(widget)
    widget.show_result(estimate)
    widget.resize(300, widget.sizeHint().height())
    return widget


def test_recommended_number_is_selected_at_first(curve):
    assert curve.selected == 3
    assert "3 experts: stability 1" in curve.accessibleDescription()


@pytest.mark.parametrize("number", [1, 4, 10])
def test_a_click_chooses_the_number_below_the_mouse(curve, qtbot, number):
    with qtbot.waitSignal(curve.chosen) as signal:
        qtbot.mouseClick(curve, Qt.MouseButton.LeftButton, pos=QPoint(round(curve.place(number).x()) + 4, 20))
    assert signal.args == [number]
    assert curve.selected == number


def test_keys_go_to_a_number_and_choose_it(curve, qtbot):
    chosen = []
    curve.chosen.connect(chosen.append)
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Left):
        qtbot.keyClick(curve, key)
    assert curve.selected == 1
    qtbot.keyClick(curve, Qt.Key.Key_Right)
    assert not chosen
    qtbot.keyClick(curve, Qt.Key.Key_Return)
    assert chosen == [2]


def test_values_are_told_where_there_are_some(curve):
    assert curve.values(4) == "4 experts: stability 0.7, entropy 30, bic -6.44e+04, icl -6.47e+04.".replace(
        "bic", "BIC"
    ).replace("icl", "ICL")
    assert "stability" not in curve.values(10)


def test_numbers_fit_a_narrow_dock(curve):
    curve.resize(280, curve.height())
    places = [curve.place(number).x() for number in range(1, 11)]
    assert places[0] > 0
    assert places[-1] < 280
    assert np.diff(places).min() > 20


@pytest.mark.parametrize("theme", THEMES)
def test_marks_can_be_told_from_the_ground_on_both_themes(curve, theme):
    ground, ink = THEMES[theme]
    palette = curve.palette()
    palette.setColor(QPalette.ColorRole.WindowText, QColor(ink))
    palette.setColor(QPalette.ColorRole.Window, QColor(ground))
    curve.setPalette(palette)
    mark = MARKS[theme == "light"]
    assert contrast(mark, QColor(ground)) >= 4.5
    image = QImage(curve.size(), QImage.Format.Format_RGB32)
    curve.render(image)
    seen = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert {mark.name(), ink} <= seen


def contrast(one, other):
    def luminance(color):
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in color.getRgbF()[:3]]
        return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_range_of_curves_leaves_out_gaps_and_is_never_empty():
    assert value_range([np.array([np.nan, 2.0]), np.array([5.0])]) == (2, 5)
    assert value_range([np.array([3.0, 3.0])]) == (3, 4)


def test_nothing_is_shown_before_an_estimate(qtbot, estimate):
    panel = ExpertNumberPanel()
    qtbot.addWidget(panel)
    assert panel.curve.isHidden()
    panel.show_result(estimate)
    assert panel.words.text().startswith("Recommended: 3 experts (stable groups).")
    assert "entropy elbow 4" in panel.words.text()
    panel.show_result(None)
    assert panel.curve.isHidden()
    assert not panel.words.text()


def test_dock_estimates_and_takes_the_chosen_number(open_dock, workspace, tissue, tiny_steer, finish, qtbot):
    dock = open_dock(VelocityDock)
    assert dock.experts.run_panel.button.toolTip() == "Load a tissue first."
    workspace.set_tissue(tissue)
    dock.form.set_value(tiny_steer)
    dock.experts.run_panel.button.click()
    assert dock.experts.run_panel.button.text() == "Stop"
    assert not dock.panel.button.isEnabled()
    finish(dock)
    assert not dock.message.text()
    assert dock.panel.button.isEnabled()
    assert "Recommended" in dock.experts.words.text()
    curve = dock.experts.curve
    curve.resize(300, curve.sizeHint().height())
    qtbot.mouseClick(curve, Qt.MouseButton.LeftButton, pos=curve.place(4).toPoint())
    assert dock.form.value().n_experts == 4
    assert dock.form.value().n_genes == tiny_steer.n_genes
    workspace.set_tissue(tissue)
    assert not dock.experts.words.text()


def test_stop_ends_an_estimate(open_dock, workspace, tissue, finish, qtbot, monkeypatch):
    def endless(tissue, config, stop):
        while not stop.is_set():
            time.sleep(0.01)
            yield Progress("mixture of 2", 1, 10, 0.1)

    monkeypatch.setattr(velocity, "tissue_expert_number_steps", endless)
    dock = open_dock(VelocityDock)
    workspace.set_tissue(tissue)
    dock.estimate()
    qtbot.waitUntil(lambda: "mixture" in dock.experts.run_panel.status.text())
    dock.experts.run_panel.button.click()
    finish(dock)
    assert not dock.experts.words.text()
    assert workspace.running == ""


def test_opening_the_dock_loads_no_plotting_or_learning_library():
    heavy = "{'matplotlib', 'sklearn', 'torch'}"
    code = f"import sys, napari_tissue_dynamics.widgets.docks.velocity; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
