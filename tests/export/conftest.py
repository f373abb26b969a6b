"""A small lineage tree with velocities and what can be exported of it, and a browser to look at a page with."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.data.io.embeddings import Embedding
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.kinetic_models import KineticsConfig
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.workflow import picture_steps, velocity


@pytest.fixture(scope="session")
def simulated():
    return simulate_branching(220, 60, seed=2)


@pytest.fixture(scope="session")
def result(simulated):
    fitted = velocity(simulated.tissue, KineticsConfig(model="dynamical", min_shared_counts=0))
    evidence = VelocityEvidence("supported", 8.0, 4.0)
    return run_to_end(picture_steps(simulated.tissue, replace(fitted.field, evidence=evidence)))


@pytest.fixture(scope="session")
def tissue(simulated):
    """The cells in a tissue, with a name that would end the script element of a careless page."""
    names = list(simulated.tissue.cells)
    names[3] = "</script><b>cell & 'co'"
    return replace(simulated.tissue, unit="um", cells=tuple(names), source="a tree")


@pytest.fixture(scope="session")
def fates(simulated):
    """The true fates, and a cell without one."""
    probability = simulated.fate.astype(np.float32)
    probability[5] = np.nan
    ends = simulated.state
    terminal = Labels("terminal", (ends.codes - 1).astype(np.int32), ends.categories[1:], ends.colors[1:])
    return FateResult(terminal, probability)


@pytest.fixture(scope="session")
def embedding(simulated):
    places = np.random.default_rng(1).normal(size=(220, 2)).astype(np.float32)
    return Embedding("umap", places, "places of a test")


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture
def opened(tmp_path):
    """Return what opens an address in a Chromium without a window."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium or Chrome on this machine")
    pytest.importorskip("tornado")
    return lambda address: opened_in(program, tmp_path / "profile", address)


STARTS = 600.0
ANSWERS = 600.0


class Chromium:
    """One page of a browser, by the DevTools protocol: a test types, clicks and looks in it."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0

    async def call(self, method, **parameters):
        """Call a method of the protocol and return its result."""
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            text = await asyncio.wait_for(self._socket.read_message(), ANSWERS)
            answer = json.loads(text)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def value(self, script):
        """Return the value of an expression, or of what it promises."""
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, script):
        """Wait until an expression is true."""
        end = time.monotonic() + ANSWERS
        while not await self.value(script):
            assert time.monotonic() < end, f"never true: {script}"
            await asyncio.sleep(0.05)

    async def take_width(self, width):
        """Give the page a width, and leave the density of the screen as it is.

        Both at once arrived one after the other now and then: the page was drawn between them, for the old density,
        and a new density alone makes a browser without a window draw nothing.
        """
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=0, mobile=False
        )
        await self.until(f"innerWidth === {width}")

    async def press(self, key):
        """Press a key where the focus is."""
        text = {"text": key} if len(key) == 1 else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def write(self, text):
        """Type into the field that has the focus."""
        await self.call("Input.insertText", text=text)

    async def click(self, element):
        """Click the middle of an element, given as an expression."""
        box = await self.value(
            f"(e => {{ e.scrollIntoView({{block: 'nearest'}}); const b = e.getBoundingClientRect();"
            f" return [b.left + b.width / 2, b.top + b.height / 2]; }})({element})"
        )
        where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type="mousePressed", **where)
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", **where)


@contextlib.asynccontextmanager
async def opened_in(program, profile, address):
    """Open an address in a browser of its own."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    call = [program, "--headless=new", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1280,900", *root,
            "--force-device-scale-factor=2",
            f"--user-data-dir={profile}", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-renderer-backgrounding",
            "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", address]  # fmt: skip
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        from tornado.websocket import websocket_connect  # distributed brings it

        socket = await websocket_connect(await asyncio.to_thread(_page, profile, address), max_message_size=1 << 28)
        yield Chromium(socket)
        socket.close()
    finally:
        process.terminate()
        process.wait(ANSWERS)


def _page(profile, address):
    """Return where to talk to the page once it is there."""
    end, port = time.monotonic() + STARTS, profile / "DevToolsActivePort"
    while time.monotonic() < end:
        with contextlib.suppress(OSError, IndexError):
            listed = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
            with urllib.request.urlopen(listed, timeout=ANSWERS) as answer:
                for page in json.load(answer):
                    if page["type"] == "page" and page["url"].startswith(address.split("#")[0]):
                        return page["webSocketDebuggerUrl"]
        time.sleep(0.1)
    raise AssertionError("the browser did not start")
