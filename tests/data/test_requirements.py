from __future__ import annotations

import numpy as np
import pytest

from napari_tissue_dynamics.data.requirements import (
    require_cell_types,
    require_expression,
    require_velocity_counts,
)
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError


def tissue(**parts) -> Tissue:
    return Tissue(("a", "b", "c"), ("g",), np.zeros((3, 2)), source="brain.h5ad", **parts)


def counts() -> np.ndarray:
    return np.ones((3, 1), dtype=np.float32)


def test_counts():
    full = tissue(spliced=counts(), unspliced=counts() * 2)
    spliced, unspliced = require_velocity_counts(full)
    assert spliced is full.spliced
    assert unspliced is full.unspliced
    with pytest.raises(DataError, match=r"brain.h5ad has no spliced and unspliced counts"):
        require_velocity_counts(tissue())
    with pytest.raises(DataError, match=r"brain.h5ad has no unspliced counts"):
        require_velocity_counts(tissue(spliced=counts()))


def test_expression():
    assert require_expression(tissue(expression=counts())).shape == (3, 1)
    with pytest.raises(DataError, match=r"brain.h5ad has no expression"):
        require_expression(tissue())


def test_cell_types():
    labels = Labels("kind", np.array([0, 0, 1], dtype=np.int32), ("neuron", "glia"))
    assert require_cell_types(tissue(cell_types=labels)) is labels
    with pytest.raises(DataError, match="'glia' of 'kind' has 1 cell; at least 2 are needed"):
        require_cell_types(tissue(cell_types=labels), at_least=2)
    with pytest.raises(DataError, match=r"brain.h5ad has no cell types"):
        require_cell_types(tissue())
    nothing = Labels("kind", np.full(3, -1, dtype=np.int32), ())
    with pytest.raises(DataError, match=r"brain.h5ad has no cell types"):
        require_cell_types(tissue(cell_types=nothing))
