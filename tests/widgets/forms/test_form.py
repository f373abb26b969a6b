from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Gt, Interval
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_tissue_dynamics.analysis.fate.fate import FateConfig
from napari_tissue_dynamics.descriptions import parameter_texts, setting_types
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.travlr.config import PublishedOptions, TravlrConfig
from napari_tissue_dynamics.widgets.forms.form import ZERO, Form, bounds, spoken
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel


@dataclass(frozen=True, kw_only=True)
class Extreme:
    """Settings that are hard to show.

    Parameters
    ----------
    tiny, huge
        Numbers of very different size.
    kind
        One of two.
    flag
        Yes or no.

    Notes
    -----
    Not a parameter.
    """

    tiny: Annotated[float, Gt(0)] = 1e-9
    huge: float = 123456789.123
    third: float = 1 / 3
    negative: Annotated[float, Interval(ge=-1, le=1)] = -0.25
    kind: Literal["a", "b"] = "b"
    flag: bool = True


@pytest.mark.parametrize("settings", [SteerConfig, TravlrConfig, Extreme])
def test_form_gives_back_the_defaults(settings, qtbot):
    form = Form(settings)
    qtbot.addWidget(form)
    assert form.value() == settings()


@pytest.mark.parametrize("name", ["fast", "full"])
@pytest.mark.parametrize(
    ("settings", "preset"),
    [
        (SteerConfig(), SteerConfig.schedule),
        (SteerConfig(profile="faithful"), lambda name: SteerConfig.schedule(name, "faithful")),
        (TravlrConfig(), TravlrConfig.profile),
    ],
)
def test_form_takes_every_preset(settings, preset, name, qtbot):
    form = Form(type(settings))
    qtbot.addWidget(form)
    form.set_value(settings)
    index = form.preset.findData(name)
    assert form.preset.itemText(index) in {"Quick", "Thorough", "Publication"}
    form.preset.setCurrentIndex(index)
    form.preset.activated.emit(index)
    assert form.value() == preset(name)


def test_form_shows_other_values_exactly(qtbot):
    form = Form(Extreme, essential=("kind",))
    qtbot.addWidget(form)
    other = Extreme(tiny=3e-12, huge=0.1, third=2 / 7, negative=0.7, kind="a", flag=False)
    form.set_value(other)
    assert form.value() == other


def test_small_numbers_can_be_typed(qtbot):
    form = Form(TravlrConfig)
    qtbot.addWidget(form)
    box = form.editor("l1_reg")
    box.lineEdit().selectAll()
    qtbot.keyClicks(box, "2.5e-7")
    assert form.value().published.l1_reg == 2.5e-7


def test_limits_come_from_the_annotation(qtbot):
    form = Form(SteerConfig)
    qtbot.addWidget(form)
    form.editor("n_experts").setValue(1000)
    assert form.value().n_experts == 64
    form.editor("learning_rate").setValue(-1.0)
    assert form.value().learning_rate > 0
    assert bounds(Annotated[int, Gt(3)]) == (4, None, int)


def test_tooltips_come_from_the_docstring(qtbot):
    texts = parameter_texts(Extreme)
    assert texts == {
        "tiny": "Numbers of very different size.",
        "huge": "Numbers of very different size.",
        "kind": "One of two.",
        "flag": "Yes or no.",
    }
    form = Form(SteerConfig)
    qtbot.addWidget(form)
    assert "entropy elbow" in form.editor("n_experts").toolTip()


def test_every_setting_has_a_text_a_name_and_a_label(qtbot):
    for settings in (SteerConfig, TravlrConfig):
        form = Form(settings)
        qtbot.addWidget(form)
        for name in setting_types(settings):
            assert form.editor(name).toolTip()
            assert form.editor(name).accessibleName() == spoken(name)


def test_options_of_the_publication_fold_away_in_a_section_of_their_own(qtbot):
    form = Form(TravlrConfig)
    qtbot.addWidget(form)
    form.show()
    qtbot.waitExposed(form)
    form.advanced.toggleButton().click()
    assert not form.editor("solver").isVisible()
    form.published.toggleButton().click()
    assert form.editor("solver").isVisible()
    wanted = TravlrConfig(published=PublishedOptions(solver="path", l1_reg=2.0), seed=3)
    form.set_value(wanted)
    assert form.value() == wanted


def test_change_is_told(qtbot):
    form = Form(SteerConfig)
    qtbot.addWidget(form)
    with qtbot.waitSignal(form.changed):
        form.editor("seed").setValue(5)


def test_advanced_settings_fold_away_and_out_of_the_tab_order(qtbot):
    form = Form(SteerConfig, essential=("seed",))
    qtbot.addWidget(form)
    form.show()
    qtbot.waitExposed(form)
    assert form.editor("seed").isVisible()
    assert not form.editor("patience").isVisible()
    form.advanced.toggleButton().click()
    assert form.editor("patience").isVisible()
    assert form.editor("patience").height() > 10
    form.advanced.collapse(animate=False)
    assert not form.editor("patience").isVisible()
    form.advanced.expand(animate=False)
    assert form.editor("patience").isVisible()


def wheel(field):
    """Turn the wheel over a field, as the mouse does wherever it is."""
    at = QPointF(field.rect().center())
    turn = QWheelEvent(
        at,
        QPointF(field.mapToGlobal(field.rect().center())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, turn)


def test_wheel_scrolls_past_fields_that_nobody_is_in(qtbot, monkeypatch):
    form = Form(SteerConfig, essential=("seed", "profile", "n_genes"))
    qtbot.addWidget(form)
    with qtbot.waitExposed(form):
        form.show()
    form.editor("n_genes").setFocus()
    for name in ("seed", "profile"):
        wheel(form.editor(name))
    assert form.value() == SteerConfig()
    form.editor("seed").setValue(5)
    monkeypatch.setattr(form.editor("seed"), "hasFocus", lambda: True)  # there may be no window manager to give it
    wheel(form.editor("seed"))
    assert form.value().seed == 4


def test_zero_says_what_it_means_and_gives_way_to_a_number(qtbot):
    form = Form(SteerConfig, essential=("n_experts",))
    qtbot.addWidget(form)
    with qtbot.waitExposed(form):
        form.show()
    box = form.editor("n_experts")
    assert box.text() == "automatic"
    assert form.value().n_experts == 0
    line = box.findChild(QLineEdit)
    qtbot.mouseClick(line, Qt.MouseButton.LeftButton, pos=QPoint(12, 6))
    qtbot.waitUntil(line.hasSelectedText)  # the words are, once the click is over
    qtbot.keyClicks(line, "12")
    assert form.value().n_experts == 12
    assert set(ZERO) <= {
        name for kind in (SteerConfig, TravlrConfig, KineticsConfig, FateConfig) for name in names(kind)
    }


def names(settings):
    return setting_types(settings)


def test_reason_of_a_button_that_waits_is_in_sight(qtbot):
    panel = RunPanel("Fit", "Do it.")
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.status.isVisible()
    panel.block("Load a tissue first.")
    assert panel.status.isVisible()
    assert panel.status.text() == "Load a tissue first."
    panel.block("")
    assert not panel.status.isVisible()
