"""What the length of a drawn arrow means, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def arrow_length_words(
    arrows: NDArray[np.floating[Any]], unit: str, strength: NDArray[np.floating[Any]] | None = None
) -> str:
    """Return what one arrow length means.

    Parameters
    ----------
    arrows
        (cells, 2 or 3) drawn displacements.
    unit
        Unit of the positions.
    strength
        (cells,) lengths of the same arrows before they were scaled for drawing, 0 to 1; None if not known.
    """
    lengths = np.linalg.norm(arrows, axis=1)
    moving = np.isfinite(lengths) & (lengths > 0)
    if not moving.any():
        return "No cell has an arrow."
    long = float(np.quantile(lengths[moving], 0.95))
    named = {"um": "µm", "embedding": "units of the embedding"}.get(unit, "pixels")
    words = f"95% of the arrows are shorter than {long:.3g} {named}."
    if strength is not None:
        ratio = strength[moving] / lengths[moving]
        share = long * float(np.median(ratio[np.isfinite(ratio)]))
        words += f" An arrow of that length means a pull of {share:.2g}: 0 is no way preferred, 1 is one way only."
    return f"{words} Lengths compare cells; they are no speed."
