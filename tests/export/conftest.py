"""A small lineage tree with velocities, and everything that can be exported of it."""

from dataclasses import replace

import numpy as np
import pytest

from napari_tissue_dynamics.data.embedding import Embedding
from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.data.simulate_branching import simulate_branching
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.velocity import KineticsConfig
from napari_tissue_dynamics.workflow import kinetics


@pytest.fixture(scope="session")
def simulated():
    return simulate_branching(220, 60, seed=2)


@pytest.fixture(scope="session")
def result(simulated):
    return kinetics(simulated.tissue, KineticsConfig(model="dynamical", min_shared_counts=0))


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
