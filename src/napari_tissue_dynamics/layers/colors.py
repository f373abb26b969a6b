"""Color maps and palettes that remain distinguishable with color blindness, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MapName = Literal["dusk", "balance", "heather", "gray", "viridis", "cividis", "magma"]

MAPS: dict[MapName, str] = {
    "dusk": "Violet to yellow, bright at every value, for a dark canvas.",
    "viridis": "Dark violet to yellow, as in scanpy and matplotlib.",
    "cividis": "Blue to yellow, nearly the same with and without color blindness.",
    "magma": "Black to light yellow: low values vanish on a dark canvas.",
    "gray": "Dark to light gray, for print and next to colored layers.",
    "balance": "Blue, white, orange: for values with a sign, white is the middle.",
    "heather": "Green, white, violet: for values with a sign, white is the middle.",
}
"""The maps available to the user, all perceptually uniform and colorblind-safe, and what they are."""
FROM_MATPLOTLIB = ("viridis", "cividis", "magma")

# Palette of Okabe and Ito (2008) with a blue in place of black, which is the canvas. What follows was chosen one by one
# as far as possible (CIEDE2000) from all before, for normal, deuteranope and protanope sight (Machado et al. 2009). The
# near-white that is farthest from all comes last: it can hardly be seen on the canvas of the light theme.
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#6080FF")
_MORE = (
    *("#A04020", "#80E0A0", "#A06080", "#C0E0FF", "#C0A0A0", "#FF6080", "#C00060", "#6020FF"),
    *("#E0A0C0", "#C020A0", "#E00040", "#E0C0C0", "#A0FFA0", "#E0A060", "#8080C0", "#E8E8E8"),
)
UNASSIGNED = "unassigned"
UNASSIGNED_COLOR = "#5A5A5A"
MISSING_COLOR = (0.5, 0.5, 0.5, 1.0)

# Anchors as (lightness, a, b) in OKLab. Lightness rises steadily along "dusk", and to the middle of "balance" and
# down again; no end is so dark that cells would vanish on the black canvas.
_ANCHORS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "dusk": (
        (0.44, 0.06, -0.15),
        (0.57, -0.01, -0.11),
        (0.70, -0.08, -0.02),
        (0.82, -0.08, 0.10),
        (0.94, -0.03, 0.15),
    ),
    "balance": (
        (0.50, -0.02, -0.15),
        (0.73, -0.03, -0.08),
        (0.96, 0.00, 0.00),
        (0.73, 0.06, 0.10),
        (0.50, 0.10, 0.10),
    ),
    "heather": (
        (0.50, -0.09, 0.06),
        (0.73, -0.06, 0.04),
        (0.96, 0.00, 0.00),
        (0.73, 0.05, -0.07),
        (0.50, 0.09, -0.13),
    ),
    "gray": ((0.30, 0.0, 0.0), (0.98, 0.0, 0.0)),
}


@dataclass(frozen=True, slots=True)
class ColorScale:
    """Which value gets which color.

    Parameters
    ----------
    low, high
        Values at the ends of the map.
    colormap
        One of ``MAPS``: ``"dusk"`` for magnitudes, ``"balance"`` for values with a sign.
    """

    low: float
    high: float
    colormap: MapName = "dusk"

    def rgba(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return (cells, 4) float32 colors; values that are not finite get the color for missing."""
        table = color_table(self.colormap)
        finite = np.isfinite(values)
        place = (np.where(finite, values, self.low) - self.low) / max(self.high - self.low, 1e-30)
        colors = table[np.clip(place * (len(table) - 1), 0, len(table) - 1).round().astype(np.intp)]
        colors[~finite] = MISSING_COLOR
        return colors

    def for_napari(self) -> dict[str, Any]:
        """Return the map as the options of a napari color map."""
        return {
            "name": f"tissue dynamics {self.colormap}",
            "colors": color_table(self.colormap),
            "nan_color": MISSING_COLOR,
        }


def sequential_scale(values: NDArray[np.floating[Any]], percent: float = 99.0) -> ColorScale:
    """Return a scale between robust percentiles of the finite values."""
    low, high = _percentiles(values, 100 - percent, percent)
    return ColorScale(low, high if high > low else low + 1.0)


def diverging_scale(values: NDArray[np.floating[Any]], percent: float = 99.0) -> ColorScale:
    """Return a scale that is symmetric around zero."""
    _, limit = _percentiles(np.abs(values), 0, percent)
    limit = limit if limit > 0 else 1.0
    return ColorScale(-limit, limit, "balance")


@cache
def color_table(name: MapName) -> NDArray[np.float32]:
    """Return (256, 4) float32 RGBA of a map; ours are interpolated in the perceptual space OKLab."""
    if name in FROM_MATPLOTLIB:
        from matplotlib import colormaps

        listed = np.array(colormaps[name](np.arange(256)), dtype=np.float32)
        listed.flags.writeable = False
        return listed
    anchors = np.array(_ANCHORS[name])
    places = np.linspace(0, len(anchors) - 1, 256)
    lab = np.stack([np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1)
    table = np.ones((256, 4), dtype=np.float32)
    table[:, :3] = _oklab_to_srgb(lab)
    table.flags.writeable = False
    return table


def palette(n: int) -> tuple[str, ...]:
    """Return ``n`` colors as ``#rrggbb``: Okabe-Ito, then 16 more; beyond 24 they come again, each time darker."""
    colors = OKABE_ITO + _MORE
    return tuple(_darker(colors[i % len(colors)], i // len(colors)) for i in range(n))


def category_colors(categories: Sequence[str], colors: Sequence[str] | None = None) -> dict[str, str]:
    """Return the color of every category, and of cells without one."""
    chosen = palette(len(categories)) if colors is None else colors
    return {**dict(zip(categories, chosen, strict=True)), UNASSIGNED: UNASSIGNED_COLOR}


def hex_to_rgba(color: str) -> tuple[float, float, float, float]:
    """Return red, green, blue and opacity, 0 to 1, of ``#rrggbb``; a stated opacity is dropped."""
    digits = color.lstrip("#")[:6]
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue, 1.0


def _darker(color: str, turn: int) -> str:
    return "#" + "".join(f"{round(255 * channel * 0.8**turn):02X}" for channel in hex_to_rgba(color)[:3])


def _percentiles(values: NDArray[np.floating[Any]], low: float, high: float) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    bottom, top = np.percentile(finite, [low, high])
    if top <= bottom:  # a gene in few cells: the percentiles are uninformative
        bottom, top = finite.min(), finite.max()
    return float(bottom), float(top)


# Linear maps between linear sRGB, cone response and OKLab (Björn Ottosson 2020, "A perceptual color space").
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _oklab_to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    cones = (lab @ np.linalg.inv(_LMS_TO_LAB).T) ** 3
    linear = np.clip(cones @ np.linalg.inv(_RGB_TO_LMS).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
