import numpy as np
import pytest
from napari.layers import Layer

from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.colors import color_table, hex_to_rgba
from napari_tissue_dynamics.layers.preview import live_layers, live_values
from napari_tissue_dynamics.layers.vectors import LEAST_OPACITY, velocity_vectors
from napari_tissue_dynamics.simulators.tissue import simulate_tissue

N = 60


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(N, 30, seed=0).tissue


def state(seed):
    rng = np.random.default_rng(seed)
    arrows = rng.normal(size=(N, 2)).astype(np.float32)
    arrows[: 5 * seed] = 0
    return rng.random(N).astype(np.float32), rng.random((N, 3)).astype(np.float32), arrows


def test_layers_show_the_values_they_are_made_of(tissue):
    time, probability, arrows = state(1)
    found = live_layers(tissue, time, probability, arrows)
    layers = {data[1]["name"]: Layer.create(*data) for data in found}
    assert list(layers) == ["expert", "latent time", "velocity"]
    expected = color_table("dusk")[(time * 255).round().astype(int)]
    np.testing.assert_allclose(layers["latent time"].face_color, expected, atol=1e-6)
    np.testing.assert_allclose(layers["latent time"].border_color, expected, atol=1e-6)
    entries = layers["expert"].metadata[PLUGIN]["legend"].entries
    colors = [hex_to_rgba(entries[k].color) for k in probability.argmax(axis=1)]
    np.testing.assert_allclose(layers["expert"].face_color, colors, atol=1e-6)
    assert [entry.count for entry in entries] == np.bincount(probability.argmax(axis=1), minlength=3).tolist()
    assert len(layers["velocity"].data) == N - 5
    # Nothing that is said of a cell goes stale when only colors change.
    for name in ("expert", "latent time"):
        assert name not in layers[name].features


def test_values_are_those_of_new_layers(tissue):
    for seed in (0, 2):
        now = state(seed)
        fresh = {data[1]["name"]: data for data in live_layers(tissue, *now)}
        for name, values in live_values(tissue, *now).items():
            data, options, _ = fresh[name]
            for key, value in values.items():
                if key == "metadata":
                    assert value[PLUGIN]["legend"] == options["metadata"][PLUGIN]["legend"]
                else:
                    np.testing.assert_array_equal(value, data if key == "data" else options[key])


def test_what_the_model_lacks_is_left_out(tissue):
    *_, arrows = state(0)
    assert [data[1]["name"] for data in live_layers(tissue, None, None, arrows)] == ["velocity"]


def test_arrows_with_an_opacity_have_a_key(tissue):
    *_, arrows = state(0)
    plain = velocity_vectors(tissue.positions, arrows, unit="um")
    key = plain[1]["metadata"][PLUGIN]["arrow_key"]
    assert (key.faint, key.opaque) == ("direction not tested", "")
    sure, evidence = np.linspace(0, 1, N), VelocityEvidence("supported", 9.0, 5.0)
    shaded = velocity_vectors(tissue.positions, arrows, unit="um", evidence=evidence, confidence=sure)
    key = shaded[1]["metadata"][PLUGIN]["arrow_key"]
    assert (key.title, key.faint, key.opaque) == ("velocity", "low confidence", "high confidence")
    assert key.least == LEAST_OPACITY
    assert "arrows are shorter than" in key.meaning
