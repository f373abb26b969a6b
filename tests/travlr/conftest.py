from __future__ import annotations

import numpy as np
import pytest

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

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


ESTIMATOR_GENES = ["Sox2", "Pax6", "Wnt5a", "Fzd2", "Dll1", "Notch1", "Lef1", "Axin2", "Gata3", "Vegfa"]


def _cells(n=120, seed=0, labels=(0, 1, 2), dimensions=2):
    """An AnnData whose Axin2 follows Sox2, ever more so along x."""
    import anndata
    import pandas as pd

    rng = np.random.default_rng(seed)
    expression = rng.gamma(2.0, 0.5, (n, len(ESTIMATOR_GENES))).astype(np.float32)
    xy = rng.uniform(0, 200, (n, dimensions))
    noise = 0.05 * rng.normal(size=n)
    expression[:, ESTIMATOR_GENES.index("Axin2")] = 0.3 + (0.5 + xy[:, 0] / 200) * expression[:, 0] + noise
    kinds = np.array(labels, dtype=object)[rng.integers(0, len(labels), n)]
    if all(isinstance(label, int) for label in labels):
        kinds = kinds.astype(int)
    adata = anndata.AnnData(
        np.zeros((n, len(ESTIMATOR_GENES)), dtype=np.float32),
        obs=pd.DataFrame({"cell_type_int": kinds}, index=[f"cell{k}" for k in range(n)]),
        var=pd.DataFrame(index=ESTIMATOR_GENES),
    )
    adata.layers["imputed_count"] = expression
    adata.obsm["spatial"] = xy
    return adata


@pytest.fixture(scope="session")
def make_cells():
    """A function that makes a small AnnData for the estimator, alike for the same arguments."""
    return _cells
