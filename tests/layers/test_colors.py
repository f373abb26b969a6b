import numpy as np
import pytest

from napari_tissue_dynamics.layers.colors import (
    OKABE_ITO,
    UNASSIGNED_COLOR,
    ColorScale,
    color_table,
    diverging_scale,
    hex_to_rgba,
    palette,
    sequential_scale,
)
from napari_tissue_dynamics.layers.vectors import GRID_ARROW_COLOR

# Dichromat vision in linear RGB (Viénot, Brettel and Mollon 1999).
PROTAN = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
DEUTAN = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def cielab(rgb_linear):
    """CIE L*a*b* (1976) under D65: a space other than the one the maps are made in."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz = np.clip(rgb_linear, 0, 1) @ to_xyz.T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def lightness(name):
    return cielab(linear(color_table(name)[:, :3].astype(float)))[:, 0]


def test_magnitudes_get_lighter_evenly():
    steps = np.diff(lightness("dusk"))
    assert (steps > 0).all()
    assert np.percentile(steps, 95) < 2.5 * np.percentile(steps, 5)


def test_signs_are_equally_dark_and_zero_is_lightest():
    light = lightness("balance")
    assert (np.diff(light[:128]) > -0.05).all()
    assert (np.diff(light[128:]) < 0.05).all()
    np.testing.assert_allclose(light, light[::-1], atol=8)


@pytest.mark.parametrize("vision", [np.eye(3), PROTAN, DEUTAN], ids=["usual", "protan", "deutan"])
def test_both_signs_differ_for_every_eye(vision):
    ends = cielab(linear(color_table("balance")[[20, -21], :3].astype(float)) @ vision.T)
    assert np.linalg.norm(ends[0] - ends[1]) > 40


@pytest.mark.parametrize("vision", [np.eye(3), PROTAN, DEUTAN], ids=["usual", "protan", "deutan"])
def test_first_categories_differ_for_every_eye(vision):
    colors = np.array([hex_to_rgba(color)[:3] for color in OKABE_ITO])
    lab = cielab(linear(colors) @ vision.T)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(len(lab), 1)]
    assert distances.min() > 7


def test_first_categories_are_seen_on_the_canvas_of_both_themes():
    """1.3 is that of the yellow of Okabe and Ito on white, which its color makes up for; grays need more."""
    for color in OKABE_ITO:
        rgb = np.array(hex_to_rgba(color)[:3])
        luminance = float(linear(rgb) @ [0.2126, 0.7152, 0.0722])
        on_black, on_white = (luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05)
        assert on_black > 3
        assert on_white > (1.3 if np.ptp(rgb) > 0.3 else 2.5)


def test_many_categories_have_different_colors():
    assert len(set(palette(60))) == 60


@pytest.mark.parametrize("vision", [np.eye(3), PROTAN, DEUTAN], ids=["usual", "protan", "deutan"])
def test_twenty_four_categories_and_no_category_differ_for_every_eye(vision):
    from skimage.color import deltaE_ciede2000  # another package's color difference

    colors = np.array([hex_to_rgba(color)[:3] for color in (*palette(24), UNASSIGNED_COLOR)])
    lab = cielab(linear(colors) @ vision.T)
    distances = deltaE_ciede2000(lab[:, None], lab[None])[np.triu_indices(len(lab), 1)]
    assert distances.min() > 5


@pytest.mark.parametrize("vision", [np.eye(3), PROTAN, DEUTAN], ids=["usual", "protan", "deutan"])
@pytest.mark.parametrize("background", ["#000000", "#FAFAFA", "#E6A8CC", "#70408F"])
def test_grid_arrows_stand_out_on_canvas_slide_and_stain(background, vision):
    colors = np.array([hex_to_rgba(color)[:3] for color in (GRID_ARROW_COLOR, background)])
    arrow, ground = cielab(linear(colors) @ vision.T)
    assert np.linalg.norm(arrow - ground) > 35


@pytest.mark.parametrize("name", ["dusk", "balance"])
def test_no_color_of_a_map_vanishes_on_the_black_canvas(name):
    luminance = linear(color_table(name)[:, :3].astype(float)) @ [0.2126, 0.7152, 0.0722]
    assert ((luminance + 0.05) / 0.05).min() > 2.5


def test_scale_maps_ends_middle_and_missing():
    scale = ColorScale(-2.0, 2.0, "balance")
    colors = scale.rgba(np.array([-5.0, -2.0, 0.0, 2.0, 9.0, np.nan]))
    table = color_table("balance")
    np.testing.assert_allclose(colors[[0, 1]], table[[0, 0]])
    np.testing.assert_allclose(colors[[3, 4]], table[[-1, -1]])
    assert colors[2, :3].min() > 0.9
    np.testing.assert_allclose(colors[5], 0.5, atol=0.51)
    assert not (colors[5] == table).all(axis=1).any()


def test_scales_ignore_missing_and_outliers():
    values = np.r_[np.nan, np.linspace(0, 10, 1001), 1e6]
    scale = sequential_scale(values)
    assert scale.low == pytest.approx(0.1, abs=0.02)
    assert scale.high == pytest.approx(9.9, abs=0.02)
    both = diverging_scale(np.r_[-3.0, np.zeros(3), 1.0])
    assert both.low == -both.high
    assert both.high == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("values", [np.full(5, np.nan), np.zeros(5), np.full(5, 2.0)])
def test_constant_or_absent_values_have_a_scale(values):
    for scale in (sequential_scale(values), diverging_scale(values)):
        assert scale.high > scale.low
        assert np.isfinite(scale.rgba(values)).all()
