"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""  # no test reads or writes the settings of the person who runs it

import numpy as np
import pytest


@pytest.fixture
def shared_data() -> Path:
    """Folder of the real data sets, beside the repository; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data sets in {folder}")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
