import threading
import time
from types import SimpleNamespace

import pytest
from napari.qt.threading import create_worker
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics import progress
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.widgets.panels.dock import Dock
from napari_tissue_dynamics.widgets.state import jobs as _jobs
from napari_tissue_dynamics.widgets.state.jobs import Done, Failed, Report, explain, guarded, start_job
from napari_tissue_dynamics.widgets.state.workspace import Workspace


def counting(n, pause=0.0, fail=None, after=None, sleep=time.sleep):
    def make(stop):
        def steps():
            for i in range(n):
                if stop.is_set():
                    return "partial"
                sleep(pause)
                if fail is not None and i == 2:
                    raise fail
                yield Progress("counting", i + 1, n, (i + 1) / n, loss=float(n - i), snapshot=after)
            return "whole"

        return steps()

    return make


def run(qtbot, make, workspace=None, owner=None):
    if owner is None:
        owner = QWidget()
        qtbot.addWidget(owner)

    seen = {"reports": [], "result": None, "failed": None, "stopped": 0, "ended": 0, "states": []}
    reports, states = seen["reports"], seen["states"]
    seen["owner"] = owner  # a dock lives as long as its window

    def prepare(job):
        job.reported.connect(reports.append)
        job.succeeded.connect(lambda result: seen.update(result=result))
        job.failed.connect(lambda *words: seen.update(failed=words))
        job.stopped.connect(lambda: seen.update(stopped=seen.get("stopped", 0) + 1))
        job.ended.connect(lambda: seen.update(ended=seen.get("ended", 0) + 1))
        job.state_changed.connect(states.append)

    job = start_job(workspace or Workspace(), "Counting", make, prepare=prepare, owner=owner)
    return job, seen


CEILING_MS = 600_000


@pytest.fixture
def clock(monkeypatch):
    """A clock that only a step of the work moves on: the reports do not depend on how fast the machine is."""
    seconds = [100.0]
    ours = SimpleNamespace(monotonic=lambda: seconds[0], sleep=lambda by: seconds.__setitem__(0, seconds[0] + by))
    monkeypatch.setattr(_jobs, "time", ours)
    monkeypatch.setattr(progress, "time", ours)
    return ours


def nothing_left():
    return QThreadPool.globalInstance().waitForDone(CEILING_MS)


def test_runs_to_its_end(qtbot):
    workspace = Workspace()
    job, seen = run(qtbot, counting(8, 0.06, after="gene"), workspace)
    assert workspace.running == "Counting"
    qtbot.waitUntil(lambda: job.state == "idle")
    assert seen["result"] == "whole"
    assert seen["states"] == ["running", "idle"]
    assert (seen["ended"], seen["stopped"], seen["failed"]) == (1, 0, None)
    assert workspace.running == ""
    assert nothing_left()
    qtbot.wait(50)
    assert seen["ended"] == 1


def test_reports_come_at_most_five_times_a_second(clock):
    *reports, end = guarded(counting(400, 0.002, sleep=clock.sleep), threading.Event())
    assert isinstance(end, Done)
    assert 3 <= len(reports) <= 5  # of 0.8 seconds
    assert reports[-1].fraction > reports[0].fraction


def test_no_snapshot_is_lost_between_reports(clock):
    messages = list(guarded(counting(31, 0.02, after="gene", sleep=clock.sleep), threading.Event()))
    told = [snapshot for message in messages if isinstance(message, Report) for snapshot in message.snapshots]
    assert isinstance(messages[-1], Done)
    assert 22 <= len(told) <= 31  # those of the last fifth of a second come with the result


def test_time_left_is_that_of_a_steady_run(clock):
    *reports, _ = guarded(counting(40, 0.05, sleep=clock.sleep), threading.Event())
    known = [r for r in reports if r.seconds_left is not None]
    assert known
    for report in known:
        assert report.seconds_left == pytest.approx((1 - report.fraction) * 40 * 0.05)


def test_stops(qtbot):
    job, seen = run(qtbot, counting(100000, 0.01))
    qtbot.waitUntil(lambda: bool(seen["reports"]))
    job.stop()
    assert job.state == "stopping"
    qtbot.waitUntil(lambda: job.state == "idle")
    assert (seen["stopped"], seen["result"], seen["failed"]) == (1, None, None)
    assert nothing_left()


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: bad launch"), KeyError("x"), MemoryError()])
def test_any_error_ends_the_job_with_one_sentence(qtbot, error):
    workspace = Workspace()
    job, seen = run(qtbot, counting(10, 0.0, fail=error), workspace)
    qtbot.waitUntil(lambda: job.state == "idle")
    assert seen["failed"] is not None
    assert type(error).__name__ in seen["failed"][1]
    assert workspace.running == ""
    assert nothing_left()


def test_an_error_before_the_first_step_is_told(qtbot):
    def make(stop):
        raise DataError("There is no tissue.")

    job, seen = run(qtbot, make)
    qtbot.waitUntil(lambda: job.state == "idle")
    assert seen["failed"][0] == "There is no tissue."


def test_second_start_is_refused(qtbot):
    workspace = Workspace()
    job, _ = run(qtbot, counting(1000, 0.01), workspace)
    with pytest.raises(FitError, match="Counting is still running"):
        run(qtbot, counting(3), workspace)
    job.stop()
    qtbot.waitUntil(lambda: job.state == "idle")


def test_destroyed_dock_stops_its_job(qtbot):
    workspace = Workspace()
    owner = QWidget()
    job, seen = run(qtbot, counting(100000, 0.01), workspace, owner)
    seen.clear()
    owner.deleteLater()
    qtbot.waitUntil(lambda: job.token.is_set())
    qtbot.waitUntil(lambda: workspace.running == "")
    assert nothing_left()


def test_a_quit_of_napari_ends_the_job(qtbot):
    workspace = Workspace()
    job, seen = run(qtbot, counting(100000, 0.01), workspace)
    qtbot.waitUntil(lambda: bool(seen["reports"]))
    job._worker.quit()
    qtbot.waitUntil(lambda: job.state == "idle")
    assert workspace.running == ""
    assert seen["ended"] == 1


def test_torch_gets_its_threads_back():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    inside = []

    def make(stop):
        yield Progress("a", 1, 1, 1.0)
        inside.append(torch.get_num_threads())
        raise RuntimeError("boom")

    messages = list(guarded(make, threading.Event(), lambda: 3))
    assert inside == [3]
    assert torch.get_num_threads() == before
    assert isinstance(messages[-1], Failed)


def test_host_swallows_runtime_errors(qtbot):
    """Pins why ``guarded`` exists: once this fails, the wrapper can become simpler."""

    def broken():
        yield 1
        raise RuntimeError("lost")

    heard = []
    worker = create_worker(broken)
    worker.errored.connect(heard.append)
    worker.finished.connect(lambda: heard.append("finished"))
    worker.start()
    assert nothing_left()
    qtbot.wait(300)
    assert heard == []
    type(worker)._worker_set.discard(worker)


def test_explanations_say_what_to_do():
    assert explain(ImportError("No module named 'liana'")).startswith("A library is missing (No module named 'liana')")
    assert "smaller batches" in explain(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert explain(DataError("Ours.")) == "Ours."


def test_report_that_arrives_after_the_end_is_not_shown(viewer, open_dock):
    """The bar of napari's activities handles events while it is moved: the end may overtake a report."""
    shown = []
    dock = open_dock(Dock)

    def work(stop):
        while not stop.is_set():
            time.sleep(0.01)
            yield Progress("working", 1, 2, 0.5)

    dock.run("working", work, lambda _: None, reported=shown.append)
    job = dock.job
    job.reported.emit("early")
    dock.stop()
    job._finish()
    job.reported.emit("late")
    assert shown == ["early"]


def test_stop_is_seen_while_torch_loads(monkeypatch):
    loaded, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(_jobs, "load_torch", loaded.wait)
    messages = guarded(lambda _: pytest.fail("the fit has begun"), stop, threads=lambda: 1)
    assert next(messages).phase == "loading torch"
    stop.set()
    (end,) = messages  # while torch still loads
    loaded.set()
    assert isinstance(end, Failed)
    assert "stopped before it began" in end.message
