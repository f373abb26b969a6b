"""Runs that wait for the one that is running."""

import threading
import time

import pytest
from qtpy.QtCore import Qt

from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.state.run_queue import QueueList, RunQueue


class Saying(Dock):
    """Runs until it may end, and notes what it was set to when it was asked."""

    def __init__(self, viewer):
        super().__init__(viewer)
        self.word, self.said, self.may_end = "", [], threading.Event()
        self.panel = RunPanel("Say", "Say a word.")
        self.pin(self.panel, self.start)

    def start(self):
        word, may_end = self.word, self.may_end

        def steps(stop):
            while not (may_end.is_set() or stop.is_set()):
                time.sleep(0.01)
                yield Progress("saying", 0, 1, 0.5)
            if word == "bad":
                raise ValueError("bad")
            return word

        self.run(f"Saying {word}", steps, self.said.append, panel=self.panel)


@pytest.fixture
def dock(open_dock, workspace, tissue):
    workspace.set_tissue(tissue)
    shown = open_dock(Saying)
    shown.show()
    return shown


def ask(qtbot, dock, word):
    dock.word = word
    first = not dock.workspace.running
    button = dock.panel.button if first else dock.panel.queue_button
    qtbot.waitUntil(button.isVisible)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_runs_follow_one_another_with_the_settings_they_were_given(dock, qtbot, workspace):
    for word in ("a", "bad", "b", "c"):
        ask(qtbot, dock, word)
    assert [run.what for run in workspace.queue.waiting] == ["Saying bad", "Saying b", "Saying c"]
    assert workspace.running == "Saying a"
    dock.may_end.set()
    qtbot.waitUntil(lambda: dock.said == ["a", "b", "c"])  # one that fails does not keep the others
    assert not len(workspace.queue)


def test_stop_ends_one_run_and_the_next_begins(dock, qtbot, workspace):
    ask(qtbot, dock, "a")
    ask(qtbot, dock, "b")
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: workspace.running == "Saying b")
    dock.may_end.set()
    qtbot.waitUntil(lambda: dock.said == ["b"])


def test_runs_of_another_tissue_or_of_a_dock_that_is_gone_do_not_begin(dock, qtbot, workspace, tissue, viewer):
    other = Saying(viewer)
    ask(qtbot, dock, "a")
    other._enqueue(other.start)
    assert len(workspace.queue) == 1
    said = other.said
    other.deleteLater()
    qtbot.wait(50)
    dock.may_end.set()
    qtbot.waitUntil(lambda: dock.said == ["a"])
    qtbot.waitUntil(lambda: not len(workspace.queue))
    assert not said
    dock.may_end.clear()
    ask(qtbot, dock, "b")
    ask(qtbot, dock, "c")
    workspace.set_tissue(tissue)
    assert not len(workspace.queue)


def test_what_waits_is_moved_and_removed_by_keys(qtbot):
    queue = RunQueue()
    shown = QueueList(queue)
    qtbot.addWidget(shown)
    assert shown.isHidden()
    for word in "abc":
        queue.add(word, lambda: None)
    shown.show()
    shown.list.setCurrentRow(2)
    qtbot.keyClick(shown.list, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert [run.what for run in queue.waiting] == ["a", "c", "b"]
    assert shown.list.currentRow() == 1
    qtbot.keyClick(shown.list, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    qtbot.mouseClick(shown.earlier, Qt.MouseButton.LeftButton)
    qtbot.keyClick(shown.list, Qt.Key.Key_Delete)
    assert [run.what for run in queue.waiting] == ["a", "b"]
    assert queue.take().what == "a"
    queue.clear()
    assert shown.isHidden()
    assert queue.take() is None
