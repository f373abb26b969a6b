"""The one place where positions of the file become coordinates of napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLUGIN = "napari-tissue-dynamics"
"""Key of our part of a layer's metadata."""


def to_napari(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return (x, y[, z]) positions or displacements as napari's ([plane, ]row, column), float32."""
    return np.ascontiguousarray(vectors[:, ::-1], dtype=np.float32)


KEY = "layer_key"
"""Where the metadata of a layer name what it shows, if its name does not."""


def axes(n_dimensions: int, unit: str) -> dict[str, Any]:
    """Return the options that every layer of one tissue shares: napari ignores units once layers disagree."""
    named = "um" if unit == "um" else "pixel"
    return {"units": (named,) * n_dimensions, "axis_labels": ("z", "y", "x")[-n_dimensions:]}


def about(kind: str, **more: Any) -> dict[str, Any]:
    """Return layer metadata that describes what the layer shows."""
    return {PLUGIN: {"kind": kind, **more}}
