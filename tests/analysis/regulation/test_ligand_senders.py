import math

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.regulation.ligand_senders import senders_of
from napari_tissue_dynamics.analysis.regulation.modulator_values import ModulatorValues, Reach
from napari_tissue_dynamics.data.regulation_field import GeneFit
from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.rings import reach_ring, sender_vectors
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.received_ligands import received

GENES = ("Wnt5a", "Fzd2", "Dll1", "Notch1", "Sox2")
MODULATORS = ("Sox2", "Wnt5a$Fzd2", "Dll1$Notch1", "Wnt5a#Sox2", "Gone$Fzd2")
N = 90


def tissue_of(dimensions=2):
    rng = np.random.default_rng(7)
    expression = rng.gamma(1.0, 1.0, (N, len(GENES))) * (rng.random((N, len(GENES))) < 0.5)
    return Tissue(
        tuple(f"c{i}" for i in range(N)), GENES, rng.uniform(0, [80, 30, 9][:dimensions], (N, dimensions)),
        expression=sparse.csr_array(expression.astype(np.float32)), unit="um",
        cell_types=Labels("kind", rng.integers(-1, 2, N).astype(np.int32), ("left", "right")),
    )  # fmt: skip


def values_of(tissue, config):
    fit = GeneFit("T", MODULATORS, np.zeros((N, 6), np.float32), contact_ligands=("Dll1",))
    return ModulatorValues.of(tissue, fit, config)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kernel", ["gaussian", "truncated"])
@pytest.mark.parametrize(("modulator", "radius"), [("Wnt5a$Fzd2", 20.0), ("Dll1$Notch1", 6.0), ("Wnt5a#Sox2", 20.0)])
def test_signals_are_those_of_a_slow_loop_and_add_up_to_what_the_fit_receives(dimensions, kernel, modulator, radius):
    tissue = tissue_of(dimensions)
    config = TravlrConfig(radius=20.0, contact_distance=6.0, kernel=kernel, scale_factor=2.0)
    cell, ligand = 13, GENES.index(modulator.replace("#", "$").split("$")[0])
    found = senders_of(values_of(tissue, config), modulator, cell)
    sigma = radius if kernel == "gaussian" else radius / math.sqrt(-2 * math.log(1e-3))
    sent = tissue.expression.toarray()[:, ligand]
    slow = {}
    for j in range(N):
        distance = math.dist(tissue.positions[cell], tissue.positions[j])
        near = kernel == "gaussian" or distance <= radius
        signal = 2.0 / N * math.exp(-(distance**2) / (2 * sigma**2)) * sent[j] if near else 0.0
        if signal > 0:
            slow[j] = signal
    largest = max(slow.values())
    assert set(found.cells.tolist()) == {j for j, signal in slow.items() if signal > 1e-6 * largest}
    np.testing.assert_allclose(found.signals, [slow[j] for j in found.cells.tolist()], rtol=1e-6)
    assert np.all(np.diff(found.signals) <= 0)
    ligands = tissue.expression[:, [ligand]].toarray()
    of_fit = received(tissue.positions, ligands, np.array([radius]), kernel, 2.0)[cell, 0]
    assert found.received == pytest.approx(of_fit, rel=1e-5)
    assert found.radius == radius


def test_types_share_the_signal():
    tissue = tissue_of()
    found = senders_of(values_of(tissue, TravlrConfig()), "Wnt5a$Fzd2", 0)
    shares = found.by_type(tissue.cell_types)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    left = found.shares[tissue.cell_types.codes[found.cells] == 0].sum()
    assert shares["left"] == pytest.approx(left)
    assert "unassigned" in shares
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_fewest_senders_of_a_share():
    found = senders_of(values_of(tissue_of(), TravlrConfig()), "Wnt5a$Fzd2", 0)
    cells, shares = found.strongest(0.5, 1000)
    assert shares.sum() >= 0.5 > shares[:-1].sum()
    assert len(found.strongest(0.5, 3)[0]) == 3
    assert len(cells) == len(shares)


@pytest.mark.parametrize(
    ("modulator", "cell", "words"),
    [("Sox2", 0, "needs no sender"), ("Gone$Fzd2", 0, "was not measured"), ("Wnt5a$Fzd2", 90, "no cell 90")],
)
def test_what_has_no_sender_is_said_in_a_sentence(modulator, cell, words):
    with pytest.raises(DataError, match=words):
        senders_of(values_of(tissue_of(), TravlrConfig()), modulator, cell)


def test_nobody_sends():
    tissue = tissue_of().with_(expression=np.zeros((N, len(GENES)), np.float32))
    found = senders_of(values_of(tissue, TravlrConfig()), "Wnt5a$Fzd2", 0)
    assert (found.received, len(found.cells)) == (0.0, 0)
    data, options, _ = sender_vectors(tissue, found, 3.0)
    assert data.shape == (0, 2, 2)
    assert options["metadata"][PLUGIN]["note"] == "no cell sends this ligand"


@pytest.mark.parametrize("dimensions", [2, 3])
def test_edges_go_from_senders_to_the_receiver_and_the_ring_has_the_radius(dimensions):
    tissue = tissue_of(dimensions)
    found = senders_of(values_of(tissue, TravlrConfig(radius=11.0)), "Wnt5a$Fzd2", 5)
    data, options, kind = sender_vectors(tissue, found, 3.0)
    cells = options["metadata"][PLUGIN]["cells"]
    assert kind == "vectors"
    assert 5 not in cells
    np.testing.assert_allclose(data[:, 0], tissue.positions[cells][:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(data.sum(axis=1), np.tile(tissue.positions[5][::-1], (len(cells), 1)), atol=1e-4)
    assert np.all(np.diff(options["edge_color"][:, 3]) >= -1e-6)  # the strongest is the most opaque and on top
    ring, _, _ = reach_ring(tissue, found, 3.0)
    distances = np.linalg.norm(ring[:, 0] - tissue.positions[5][::-1], axis=1)
    np.testing.assert_allclose(distances, 11.0, rtol=1e-4)


def test_reach_is_that_of_the_settings():
    tissue = tissue_of()
    assert Reach.of(tissue, TravlrConfig(radius=5.0, contact_distance=2.0)).distance("Dll1", ("Dll1",)) == 2.0
    assert Reach.of(tissue, TravlrConfig(radius=5.0, contact_distance=2.0)).distance("Dll1", None) == 5.0
