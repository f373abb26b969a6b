"""One press of a Run button, without a window."""

import subprocess
import sys
import threading
import time

import pytest

from napari_tissue_dynamics.compute import in_background
from napari_tissue_dynamics.data.simulate import simulate_tissue
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.steer import SteerConfig
from napari_tissue_dynamics.travlr import TravlrConfig
from napari_tissue_dynamics.travlr.network import RegulatoryNetwork
from napari_tissue_dynamics.workflow import regulation_steps, velocity_steps


def result_of(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_background_call_hands_on_its_result_and_its_error():
    assert result_of(in_background(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        result_of(in_background(lambda: 1 / 0))


def test_background_call_lets_its_caller_go():
    release = threading.Event()
    steps = in_background(release.wait)
    start = time.monotonic()
    next(steps)
    next(steps)
    assert time.monotonic() - start < 1
    release.set()
    assert result_of(steps) is True


@pytest.mark.parametrize("kind", ["velocity", "regulation"])
def test_stop_before_the_fit_begins(kind):
    tissue = simulate_tissue(60, 30, seed=0).tissue
    stop = threading.Event()
    stop.set()
    if kind == "velocity":
        steps = velocity_steps(tissue, SteerConfig(), stop)
    else:
        network = RegulatoryNetwork({"Axin2": ("Lef1",)})
        steps = regulation_steps(tissue, ["Axin2"], network, TravlrConfig(), stop)
    with pytest.raises(FitError, match="stopped"):
        run_to_end(steps)


def test_stop_is_seen_while_torch_loads():
    code = (
        "import sys, time\n"
        "from napari_tissue_dynamics.workflow import _loading\n"
        "steps = _loading(None); next(steps); start = time.monotonic()\n"
        "looks = 1 + sum(1 for _ in steps)\n"
        "assert 'torch' in sys.modules\n"
        "print(looks, time.monotonic() - start)"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(answer[0]) >= 2  # loading takes seconds in a fresh process, and it was looked at meanwhile
