"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""  # no test reads or writes the settings of the person who runs it

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

# A condition comes true or it does not; how soon is the affair of the machine. Waits end after ten minutes.
CEILING_MS = 600_000
for waits in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitSignals, QtBot.waitExposed, QtBot.waitActive):
    waits.__kwdefaults__["timeout"] = CEILING_MS
# The same for the workers of a cluster, which give up a connection after half a minute.
os.environ["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = os.environ["DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP"] = "600s"

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that read real data, and skip them where there is none before any fixture opens a window."""
    absent = pytest.mark.skip(reason=f"no real data sets in {SHARED_DATA}")
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared_data)
            if not SHARED_DATA.is_dir():
                item.add_marker(absent)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets, beside the repository."""
    return SHARED_DATA


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
