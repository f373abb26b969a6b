import numpy as np
import pytest

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.layers.coloring import Values, coloring_of, shown_cells
from napari_tissue_dynamics.layers.colors import MAPS, MISSING_COLOR, color_table, hex_to_rgba


def oklab(rgb):
    """sRGB in OKLab, after the published matrices (Ottosson 2020), independent of the package."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(linear @ to_cones.T) @ to_lab.T


# Simulation of deuteranopia and protanopia in linear sRGB (Machado, Oliveira and Fernandes 2009, severity 1).
SIGHT = {
    "normal": np.eye(3),
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def seen_by(rgb, sight):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    changed = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    return np.where(changed <= 0.0031308, 12.92 * changed, 1.055 * changed ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("name", MAPS)
def test_maps_rise_evenly_for_every_eye(name, sight):
    colors = oklab(seen_by(color_table(name)[::15, :3].astype(float), sight))
    lightness = colors[:, 0]
    if name in ("balance", "heather"):  # up to white in the middle, and both ends can be told apart
        assert (np.diff(lightness)[:7] > 0).all()
        assert (np.diff(lightness)[-7:] < 0).all()
        assert np.linalg.norm(colors[0] - colors[-1]) > 0.1
    else:
        assert (np.diff(lightness) > 0).all()
    if sight == "normal":
        steps = np.linalg.norm(np.diff(colors, axis=0), axis=1)
        if name in ("balance", "heather"):
            steps = np.delete(steps, 8)  # across the fold in the middle the chord is shorter than the way
        assert steps.max() < 2.5 * steps.min()


def test_values_between_limits_get_the_colors_of_the_map():
    coloring = coloring_of("v", Values(np.array([-5, 0, 1, 2, 99, np.nan], np.float32))).with_limits(0, 2)
    table = color_table("dusk")
    rgba = coloring.with_map("dusk").rgba()
    np.testing.assert_array_equal(rgba[[0, 1, 3, 4]], table[[0, 0, 255, 255]])
    np.testing.assert_allclose(rgba[2], table[[127, 128]].mean(0), atol=0.01)
    np.testing.assert_allclose(rgba[5], MISSING_COLOR)
    assert [coloring.text(cell) for cell in (2, 5)] == ["1", "no value"]
    assert coloring.legend().note == "gray: no value (1 cells)"


def test_limits_leave_the_asked_share_of_cells_outside(rng):
    numbers = rng.permutation(np.arange(1001, dtype=np.float32))
    plain = coloring_of("v", Values(numbers))
    assert (plain.scale.low, plain.scale.high) == (10, 990)
    assert (plain.clipped(5).scale.low, plain.clipped(5).scale.high) == (50, 950)
    assert (plain.clipped(0).scale.low, plain.clipped(0).scale.high) == (0, 1000)
    signed = coloring_of("v", Values(numbers - 100, signed=True))
    assert signed.scale.low == -signed.scale.high
    assert signed.scale.colormap == "balance"
    assert (coloring_of("t", Values(numbers, limits=(0, 1))).scale.low, signed.clipped(0).scale.high) == (0, 900)


def test_a_column_of_colors_shows_itself():
    names = ("#0066FF", "#ff0000")
    labels = Labels("color", np.array([1, 0, 1], np.int32), names)
    np.testing.assert_allclose(coloring_of("color", labels).rgba()[:, :3], [[1, 0, 0], [0, 0.4, 1], [1, 0, 0]])


def test_hidden_cells_are_transparent_and_the_rest_keeps_its_color():
    labels = Labels("kind", np.array([0, 1, 2, -1, 1], np.int32), ("a", "b", "c"), ("#ff0000", "#00ff00", "#0000ff"))
    coloring = coloring_of("kind", labels)
    shown = shown_cells(labels, frozenset({"b", "unassigned"}))
    assert shown.tolist() == [True, False, True, False, False]
    rgba = coloring.rgba(shown)
    assert rgba[:, 3].tolist() == [1, 0, 1, 0, 0]
    np.testing.assert_array_equal(rgba[0], hex_to_rgba("#ff0000"))
    changed = coloring.with_color("b", "#123456")
    assert changed.labels.colors == ("#ff0000", "#123456", "#0000ff")
    assert [entry.color for entry in changed.legend().entries][:3] == ["#ff0000", "#123456", "#0000ff"]
    assert [changed.text(cell) for cell in (1, 3)] == ["b", "unassigned"]


def test_the_distribution_counts_every_finite_cell(rng):
    numbers = rng.normal(size=500).astype(np.float32)
    numbers[:20] = np.nan
    values = Values(numbers)
    low, high, counts = values.distribution
    assert (low, high) == (np.nanmin(numbers), np.nanmax(numbers))
    below = np.nansum(numbers < (low + high) / 2)
    assert (counts.sum(), counts[: len(counts) // 2].sum()) == (480, below)
    assert Values(np.full(3, np.nan, np.float32)).distribution[:2] == (0, 1)
    assert Values(np.full(3, 2, np.float32)).distribution[2].sum() == 3
