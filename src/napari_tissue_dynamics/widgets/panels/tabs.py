"""Our docks as tabs of one place: three docks above each other leave each too little height to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from napari_tissue_dynamics.layers.axes import PLUGIN

if TYPE_CHECKING:
    import napari

MARK = "tissue-dynamics-dock"
"""Property of the frames of our docks."""
WIDTH = 370
"""Of the place with our docks when the first one is opened, in pixels."""
PORTRAITS = "Phase portraits"

SIDES = {
    Qt.DockWidgetArea.RightDockWidgetArea: QTabWidget.TabPosition.East,
    Qt.DockWidgetArea.LeftDockWidgetArea: QTabWidget.TabPosition.West,
}
"""Where tabs stand: a row below a narrow dock has no room for the names of more than three."""


class JoinTabs(QObject):
    """Puts a dock behind the docks of ours that are there already, in front of them, when it enters a window.

    Where the user drags it later is left alone. A dock behind another tab counts as visible for napari, so that
    choosing it in a menu would hide it; it is brought to the front instead.

    Parameters
    ----------
    dock
        A widget that napari puts into a dock.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._entered = False
        self._in_front = True
        self._later = QTimer(self)  # ends with the dock, which a single shot would not
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._settle)
        dock.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Wait for the dock to be framed, and for its frame to be hidden by a menu."""
        if watched is self._dock and event.type() == QEvent.Type.ParentChange and not self._entered:
            frame = self._dock.parentWidget()
            if isinstance(frame, QDockWidget):
                frame.setProperty(MARK, True)
                frame.setWindowTitle(frame.windowTitle().partition(" (")[0])  # what tabs have room for
                self._later.start()
        elif event.type() == QEvent.Type.Hide and isinstance(watched, QDockWidget) and not self._in_front:
            self._later.start()
        return False

    def _settle(self) -> None:
        frame, window = self._place()
        if frame is None or window is None:
            return
        if not self._entered:
            self._entered = True
            self._join(frame, window)
            frame.visibilityChanged.connect(self._remember)
            frame.installEventFilter(self)
        elif window.isVisible():
            self._in_front = True
            bring_to_front(self._dock)

    def _join(self, frame: QDockWidget, window: QMainWindow) -> None:
        area = window.dockWidgetArea(frame)
        others = [each for each in window.findChildren(QDockWidget) if each is not frame and each.property(MARK)]
        here = [each for each in others if not each.isFloating() and window.dockWidgetArea(each) == area]
        shown = [each for each in here if each.isVisible()]
        if shown:
            if area in SIDES:
                window.setTabPosition(area, SIDES[area])
            window.tabifyDockWidget(shown[-1], frame)
            bring_to_front(self._dock)
        else:
            window.resizeDocks([frame], [WIDTH], Qt.Orientation.Horizontal)

    def _remember(self, in_front: bool) -> None:
        frame, _ = self._place()
        if frame is not None and not frame.isHidden():
            self._in_front = in_front

    def _place(self) -> tuple[QDockWidget | None, QMainWindow | None]:
        """Return the frame of the dock and the window it is docked in, None where there is none."""
        frame = self._dock.parentWidget()
        if not isinstance(frame, QDockWidget):
            return None, None
        window = frame.parentWidget()
        return frame, window if isinstance(window, QMainWindow) else None


def open_portraits(viewer: napari.viewer.Viewer) -> None:
    """Open the dock of phase portraits, or bring it to the front."""
    # What a menu has opened is named after the plugin's title, what a program opens after its package.
    there = next((dock for title, dock in viewer.window.dock_widgets.items() if title.startswith(PORTRAITS)), None)
    bring_to_front(viewer.window.add_plugin_dock_widget(PLUGIN, PORTRAITS)[1] if there is None else there)


def bring_to_front(dock: QWidget) -> None:
    """Show a dock in front of those in the same place."""
    frame = getattr(dock, "__wrapped__", dock).parentWidget()  # napari hands out proxies
    if isinstance(frame, QDockWidget):
        frame.show()
        frame.raise_()
