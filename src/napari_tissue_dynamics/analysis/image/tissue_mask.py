"""Where the tissue is in a histology image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_SIDE = 600
"""The mask is made at a resolution with at most this many pixels a side."""

LEVELS = 256
SEPARATED = 0.5
"""A threshold counts if it explains this share of the variance; a picture without contrast has none."""

SMOOTHING = 1.5
SMALLEST_PART = 2e-3
"""Specks with less than this share of the picture are dust."""

SHALLOW = 0.08
"""Least difference of glass and tissue, of the full range, that counts."""


def tissue_mask(image: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which pixels show tissue, at a reduced resolution.

    Color pictures: tissue is more saturated than the glass around it, or differs from it in brightness. Gray
    pictures: it differs in brightness. What the glass looks like is read from the frame of the picture, so that
    bright field (white glass) and fluorescence (black glass) both work. The thresholds are those of Otsu (1979,
    IEEE Trans Syst Man Cybern 9:62). Holes that tissue surrounds stay holes; dust is excluded.

    Parameters
    ----------
    image
        (rows, columns, 3 or 4) uint8 or (rows, columns) of any real type.

    Returns
    -------
    (rows', columns') truth values: the picture reduced by one whole factor, :func:`reduction`. All False where the
    picture has no contrast between tissue and glass.
    """
    small = _reduced(image, reduction(image.shape))
    contrasts = [_from_glass(small.mean(axis=2))]
    if small.shape[2] >= 3:
        colors = small[..., :3]
        contrasts.append(ndimage.gaussian_filter(colors.max(axis=2) - colors.min(axis=2), SMOOTHING))
    mask = np.zeros(small.shape[:2], dtype=np.bool_)
    for contrast in contrasts:
        threshold, share = otsu(contrast)
        if share >= SEPARATED and float(contrast.max()) >= SHALLOW:
            mask |= contrast > threshold
    return _without_dust(mask)


def reduction(shape: tuple[int, ...]) -> int:
    """Return by how many pixels a side the mask of an image of this shape is reduced."""
    return max(1, int(np.ceil(max(shape[:2]) / LONGEST_SIDE)))


def otsu(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the threshold that parts values into two classes best, and the share of variance it explains, 0 to 1."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return high, 0.0
    counts, edges = np.histogram(values, bins=LEVELS, range=(low, high))
    weight = counts / counts.sum()
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(weight)[:-1]
    moment = np.cumsum(weight * middle)
    inside = below * (1 - below)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.where(inside > 0, (moment[-1] * below - moment[:-1]) ** 2 / inside, 0.0)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    variance = float((weight * (middle - moment[-1]) ** 2).sum())
    return float(edges[1 + best].mean()), float(between.max() / variance) if variance > 0 else 0.0


def _reduced(image: NDArray[np.generic], factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of pixels, (rows', columns', channels), 0 to 1."""
    picture = image[..., None] if image.ndim == 2 else image[..., :3]
    rows, columns = (max(1, size // factor) for size in picture.shape[:2])
    kept = picture[: rows * factor, : columns * factor]
    means = np.zeros((rows, columns, kept.shape[2]), dtype=np.float32)
    for row in range(min(factor, kept.shape[0])):  # block by block: the whole picture as floats would be large
        for column in range(min(factor, kept.shape[1])):
            means += kept[row::factor, column::factor]
    means /= min(factor, kept.shape[0]) * min(factor, kept.shape[1])
    low, high = (0.0, 255.0) if image.dtype == np.uint8 else (float(means.min()), float(means.max()))
    return (means - np.float32(low)) / np.float32(high - low if high > low else 1.0)


def _from_glass(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far every pixel is from the brightness of the frame, where there mostly is no tissue."""
    smooth = ndimage.gaussian_filter(gray, SMOOTHING)
    frame = np.concatenate([smooth[0], smooth[-1], smooth[:, 0], smooth[:, -1]])
    glass = np.quantile(frame, 0.75 if np.median(frame) > 0.5 else 0.25)
    return np.abs(smooth - np.float32(glass))


def _without_dust(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, number = ndimage.label(ndimage.binary_closing(np.pad(mask, 3), iterations=2)[3:-3, 3:-3])
    if not number:
        return mask
    sizes = np.bincount(parts.ravel())
    keep = sizes >= SMALLEST_PART * mask.size
    keep[0] = False
    return np.asarray(keep[parts])
