"""Docks about direction, flow, embedding, genes along time and comparison at the least width that is promised."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QScrollArea

from napari_tissue_dynamics.widgets.docks.compare import CompareDock
from napari_tissue_dynamics.widgets.docks.direction import DirectionDock
from napari_tissue_dynamics.widgets.docks.embedding import EmbeddingDock
from napari_tissue_dynamics.widgets.docks.flow import FlowDock
from napari_tissue_dynamics.widgets.docks.gene_trends import GeneTrendsDock
from napari_tissue_dynamics.widgets.forms.section import Section

DOCKS = [CompareDock, DirectionDock, EmbeddingDock, FlowDock, GeneTrendsDock]
CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)


@pytest.fixture(params=DOCKS, ids=lambda dock: dock.__name__)
def dock(request, open_dock, workspace, tissue, qtbot):
    dock = open_dock(request.param)
    workspace.set_tissue(tissue)
    dock.resize(320, 600)
    dock.show()
    for section in dock.findChildren(Section):
        if not section.isExpanded():
            section.expand(animate=False)
    qtbot.waitUntil(dock.isVisible)
    return dock


def test_all_sections_fit_into_320_pixels(dock):
    assert dock.width() == 320
    assert dock.findChild(QScrollArea).horizontalScrollBar().maximum() == 0


def test_every_control_has_a_tooltip_a_name_and_the_keyboard(dock):
    for control in dock.findChildren(CONTROLS):
        inner = control.objectName().startswith("qt_") or control.parent().__class__ in (QComboBox,)
        if inner or not control.isVisible() or isinstance(control.parent(), QAbstractSpinBox | QLineEdit):
            continue
        if type(control).__name__ == "QScrollBar":
            continue
        assert control.toolTip(), f"{control} of {dock} has no tooltip"
        assert control.accessibleName() or control.text(), f"{control} of {dock} has no name"
        assert control.focusPolicy() != Qt.FocusPolicy.NoFocus
