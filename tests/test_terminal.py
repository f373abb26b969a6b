"""Progress in a terminal, on a real pseudo-terminal and without one."""

import io
import os
import pty
import signal
import subprocess
import sys

import pytest

from napari_tissue_dynamics import progress
from napari_tissue_dynamics.progress import Progress, TimeLeft, duration
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.simulators.write import write_simulated
from napari_tissue_dynamics.terminal import TerminalProgress

COMMAND = [sys.executable, "-m", "napari_tissue_dynamics.cli"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("terminal") / "in.h5ad"
    simulated = simulate_tissue(200, 40, seed=1)
    write_simulated(path, simulated.tissue, simulated.truth)
    return path


def velocity(file, *given):
    return [*COMMAND, "velocity", str(file), "--model", "stochastic", "--min-shared-counts", "1", *given]


def read_all(descriptor):
    """Return everything that is written to a terminal until its program has gone."""
    text = b""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # how Linux reports that the other end has been closed
            break
        if not part:
            break
        text += part
    return text.decode()


def on_a_terminal(arguments, signalled_after=None):
    """Run a command whose stderr is a terminal; return its code, what it printed and what the terminal got."""
    ours, its = pty.openpty()
    # What a shell puts into the background is deaf to Ctrl-C, and so are its children unless they are told otherwise.
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=its,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(its)
    try:
        return seen_of(process, ours, signalled_after)
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()
        os.close(ours)


def seen_of(process, ours, signalled_after):
    seen = ""
    if signalled_after is not None:
        while signalled_after not in seen:
            part = os.read(ours, 4096)
            assert part, seen
            seen += part.decode()
        process.send_signal(signal.SIGINT)
    seen += read_all(ours)
    printed = process.stdout.read()
    return process.wait(), printed, seen


def test_a_terminal_gets_phase_bar_and_time_left(file, tmp_path):
    code, printed, seen = on_a_terminal(velocity(file, "--out", str(tmp_path / "out.h5ad")))
    assert code == 0
    assert "velocity genes" in printed
    assert "left" not in printed
    shown = [part for part in seen.replace("\r", "\n").split("\n") if "% |" in part]
    assert len({part.split("| ")[-1].rsplit(", ", 1)[0] for part in shown}) > 1  # several phases
    assert all(part.rstrip().endswith("left") for part in shown)
    assert any("\u2588" in part for part in shown)
    percents = [int(part.split("%")[0]) for part in shown]
    assert percents == sorted(percents)


def test_plain_lines_and_quiet(file, tmp_path):
    out = ("--out", str(tmp_path / "out.h5ad"))
    code, printed, seen = on_a_terminal(velocity(file, "--quiet", *out))
    assert (code, seen) == (0, "")
    for given, lines in (((), False), (("--plain",), True)):
        done = subprocess.run(velocity(file, *given, *out), capture_output=True, text=True, check=True)
        assert done.stdout == printed
        assert bool(done.stderr) == lines
        assert "\r" not in done.stderr
        assert all("%" in line for line in done.stderr.splitlines())
    assert len(done.stderr.splitlines()) > 3


def test_interrupt_ends_with_130_and_a_clean_line(file, tmp_path):
    out = tmp_path / "out.h5ad"
    steer = [*COMMAND, "steer", str(file), "--velocity-epochs", "100000", "--patience", "100000", "--out", str(out)]
    code, printed, seen = on_a_terminal(steer, signalled_after="left")
    assert code == 130
    assert printed == ""
    assert seen.rstrip().endswith("tissue-dynamics: stopped")
    assert not out.exists()


def test_every_part_of_a_command_has_a_bar_of_its_own(file, tmp_path):
    fate = [*COMMAND, "fate", str(file), "--model", "steady_state", "--n-cells", "20", "--terminal-types"]
    types = "epithelium,mesenchyme"
    code, _, seen = on_a_terminal([*fate, types, "--out", str(tmp_path / "out.h5ad")])
    assert code == 0
    assert "genes" in seen  # the first phase of the velocities
    assert "slow motions" in seen  # and of the fates


class Screen(io.StringIO):
    """A terminal in memory."""

    def isatty(self):
        return True


def test_a_second_bar_begins_again():
    screen = Screen()
    report = TerminalProgress("bar", screen)
    for fraction in (0.0, 1.0):
        report(Progress("velocities", 0, 1, fraction))
    report.end()
    report(Progress("fates", 0, 1, 0.1))
    last = screen.getvalue().split("\r")[-1]
    assert last.startswith(" 10% |")
    assert "fates" in last
    report.end()


def test_simulating_shows_its_phases(tmp_path):
    code, printed, seen = on_a_terminal([*COMMAND, "simulate", str(tmp_path / "out.h5ad"), "--cells", "100"])
    assert code == 0
    assert "simulating cells" in seen
    assert "simulating cells" not in printed


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes only when it is told to."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_time_left_is_by_the_rate_since_the_first_report(clock):
    left = TimeLeft()
    clock.now += 30  # loading is no part of the rate
    assert left.after(0.5) is None  # resumed half-way: nothing is known of the rate yet
    clock.now += 10
    assert left.after(0.6) == pytest.approx(40)
    left.waited(5)
    assert left.after(0.6) == pytest.approx(20)


def test_time_left_waits_for_something_to_go_by(clock):
    left = TimeLeft()
    assert left.after(0.0) is None
    clock.now += 0.5
    assert left.after(0.5) is None
    clock.now += 10
    assert left.after(0.01) is None
    assert left.after(1.0) == 0


@pytest.mark.parametrize(("seconds", "words"), [(0, "1 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_line_of_one_phase_is_repeated_by_tenths(capsys, clock):
    with TerminalProgress("plain", sys.stdout) as report:
        for step in range(101):
            report(Progress("fitting", step, 100, step / 100))
            clock.now += 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[0] == "  0% fitting"
    assert lines[5] == " 50% fitting, 50 s left"


def test_a_resumed_run_is_not_taken_for_a_fast_one(capsys):
    class Screen:
        text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    screen = Screen()
    with TerminalProgress(stream=screen) as report:
        report(Progress("fitting", 90, 100, 0.9))
    assert "90%" in screen.text
    assert "? left" in screen.text  # nothing is known of the rate yet
