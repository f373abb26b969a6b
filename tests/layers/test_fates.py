"""Colors of fates: pure ones are the colors of the fates, mixtures are mixtures of light, none is gray."""

import numpy as np
import pytest

from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.colors import MISSING_COLOR, hex_to_rgba
from napari_tissue_dynamics.layers.fates import (
    NOWHERE,
    fate_colors,
    fate_points,
    mixed_fates,
    mixed_rgba,
    terminal_points,
)
from napari_tissue_dynamics.simulators.tissue import simulate_tissue


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(n_cells=60, n_genes=30, seed=0).tissue


@pytest.fixture(scope="module")
def result(tissue):
    n = tissue.n_cells
    first = np.linspace(0, 1, n, dtype=np.float32)
    probabilities = np.stack([first, 1 - first], axis=1)
    probabilities[7] = np.nan
    codes = np.full(n, -1, np.int32)
    codes[[0, 1]], codes[[n - 1]] = 1, 0
    return FateResult(Labels("terminal", codes, ("A", "B"), ("#FF0000", "#0000FF")), probabilities)


def test_light_is_mixed():
    mixed = mixed_rgba(
        np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [np.nan, np.nan]]),
        ("#E69F00", "#56B4E9"),
    )
    np.testing.assert_allclose(mixed[0], hex_to_rgba("#E69F00"), atol=1e-6)
    np.testing.assert_allclose(mixed[1], hex_to_rgba("#56B4E9"), atol=1e-6)
    for channel in range(3):
        light = (mixed[0, channel] ** 2.2 + mixed[1, channel] ** 2.2) / 2
        assert mixed[2, channel] ** 2.2 == pytest.approx(light, rel=1e-5)
    np.testing.assert_allclose(mixed[3], MISSING_COLOR)


def test_mixed_layer_has_a_legend_with_counts(tissue, result):
    array, options, kind = mixed_fates(tissue, result)
    assert kind == "points"
    assert len(array) == tissue.n_cells
    np.testing.assert_allclose(options["face_color"][7], MISSING_COLOR)
    assert fate_colors(result) == ("#FF0000", "#0000FF")
    entries = {entry.name: entry.count for entry in options["metadata"][PLUGIN]["legend"].entries}
    likely = result.probabilities[:, 0] > 0.5
    assert entries == {"A": likely.sum(), "B": tissue.n_cells - 1 - likely.sum(), NOWHERE: 1}
    assert options["features"]["fates"][7] == NOWHERE
    assert options["features"]["fates"][0] == "B"
    assert np.isnan(options["features"]["probability"][7])


def test_a_fate_named_after_a_type_has_its_color(tissue, result):
    types = Labels("type", np.zeros(tissue.n_cells, np.int32), ("other", "B"), ("#123456", "#00FF00"))
    assert fate_colors(result, types) == ("#FF0000", "#00FF00")
    clash = Labels("type", np.zeros(tissue.n_cells, np.int32), ("B",), ("#FF0000",))
    assert fate_colors(result, clash) == ("#FF0000", "#0000FF")


def test_one_fate_is_a_probability_from_0_to_1(tissue, result):
    _, options, _ = fate_points(tissue, result, "B")
    assert options["name"] == "fate B"
    assert options["face_contrast_limits"] == (0.0, 1.0)
    np.testing.assert_array_equal(options["features"]["fate B"], result.probabilities[:, 1])
    assert "gray reaches no terminal state" in options["metadata"][PLUGIN]["legend"].note


def test_terminal_states_leave_other_cells_without_a_color(tissue, result):
    _, options, _ = terminal_points(tissue, result)
    assert list(options["features"]["terminal states"][[0, 1, -1]]) == ["B", "B", "A"]
    assert (options["features"]["terminal states"][2:-1] == "unassigned").all()
