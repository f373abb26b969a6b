from __future__ import annotations

import numpy as np
import pytest

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.travlr.network import RegulatoryNetwork

GENES = ("Sox2", "Pax6", "Wnt5a", "Fzd2", "Axin2", "Lef1")


@pytest.fixture
def tissue() -> Tissue:
    """120 cells of two types whose Axin2 follows Sox2 with a coefficient that grows along x."""
    rng = np.random.default_rng(3)
    positions = rng.uniform(0, 100, (120, 2))
    expression = rng.gamma(2.0, 0.5, (120, len(GENES))).astype(np.float32)
    slope = 0.5 + positions[:, 0] / 100
    expression[:, 4] = 0.3 + slope * expression[:, 0] + 0.05 * rng.normal(size=120)
    return Tissue(
        cells=tuple(f"c{i}" for i in range(120)),
        genes=GENES,
        positions=positions,
        expression=expression,
        cell_types=Labels("kind", rng.integers(0, 2, 120).astype(np.int32), ("left", "right")),
    )


@pytest.fixture
def network() -> RegulatoryNetwork:
    return RegulatoryNetwork({"Axin2": ("Sox2", "Pax6"), "Lef1": ("Pax6",)}, pairs=(("Wnt5a", "Fzd2"),))
