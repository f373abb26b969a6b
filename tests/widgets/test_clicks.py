"""From a file never seen before to arrows over histology, and to the betas of a gene: how many clicks that takes."""

import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.widgets.state.workspace import workspace_of

pytestmark = pytest.mark.gui

TO_ARROWS, TO_BETAS = 6, 6


class Person:
    """Counts what is done with the mouse."""

    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot, self.clicks = viewer, qtbot, 0

    def drop(self, path):
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        left, no_keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        event = QDropEvent(QPointF(300, 300), Qt.DropAction.CopyAction, mime, left, no_keys)
        self.viewer.window._qt_viewer.dropEvent(event)
        self.clicks += 1

    def open_dock(self, name):
        """Click on Plugins, on the plugin and on the name of the dock."""
        menu = self.viewer.window.plugins_menu
        menu.aboutToShow.emit()
        plugin = next(action for action in menu.actions() if action.text() == "Tissue dynamics")
        plugin.menu().aboutToShow.emit()
        next(action for action in plugin.menu().actions() if action.text().startswith(name)).trigger()
        self.clicks += 3
        docked = next(each for title, each in self.viewer.window.dock_widgets.items() if title.startswith(name))
        return getattr(docked, "__wrapped__", docked)

    def click(self, widget):
        assert widget.isEnabled()
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)
        self.clicks += 1

    def type_into(self, field, text):
        self.click(field)
        self.qtbot.keyClicks(field, text)


@pytest.fixture
def person(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    yield Person(viewer, qtbot)
    workspace = workspace_of(viewer)
    qtbot.waitUntil(lambda: workspace.running == "")


def test_clicks_from_a_file_to_arrows_and_betas(person, tissue, tissue_file, finish):
    viewer = person.viewer
    person.drop(tissue_file)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Points"]
    velocity = person.open_dock("Velocity")
    person.click(velocity.take_shown)
    finish(velocity)
    assert velocity.form.model_row.name == "dynamical"
    velocity.form.set_value(KineticsConfig(model="steady_state"))  # saves the time of the test, not a click
    person.click(velocity.panel.button)
    finish(velocity)
    assert not velocity.message.text()
    assert viewer.layers["velocity"].visible or viewer.layers["velocity grid"].visible
    assert any(layer.name.startswith("histology") and layer.visible for layer in viewer.layers)
    assert person.clicks <= TO_ARROWS

    person.clicks = 0
    travlr = person.open_dock("SpaceTravLR regulation")
    person.type_into(travlr.network.targets, tissue.genes[0])
    person.type_into(travlr.network.regulators, ", ".join(tissue.genes[5:8]))
    person.click(travlr.panel.button)
    finish(travlr)
    assert not travlr.message.text()
    assert any(layer.name.startswith("beta") and layer.visible for layer in viewer.layers)
    assert person.clicks <= TO_BETAS
