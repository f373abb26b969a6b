import os
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer

from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io import write_h5ad
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.evidence import FAINT, HALF
from napari_tissue_dynamics.readers import get_reader, read_layers
from napari_tissue_dynamics.simulators.tissue import simulate_tissue


@pytest.fixture(scope="module")
def simulated():
    return simulate_tissue(n_cells=120, n_genes=40, seed=1)


@pytest.fixture
def file(simulated, tmp_path):
    path = tmp_path / "Tissue.H5AD"
    write_h5ad(path, simulated.tissue)
    return path


def test_only_hdf5_with_the_right_name_is_read(file, tmp_path):
    assert get_reader(str(file)) is not None
    assert get_reader([str(file), str(file)]) is not None
    text = tmp_path / "text.h5ad"
    text.write_text("no table")
    renamed = tmp_path / "table.h5"
    renamed.write_bytes(file.read_bytes())
    for other in (text, renamed, tmp_path / "missing.h5ad", tmp_path):
        assert get_reader(str(other)) is None
        assert get_reader([str(file), str(other)]) is None
    assert get_reader([]) is None


def test_layers_have_places_source_and_order(file, simulated):
    layers = get_reader(str(file))(str(file))
    assert [kind for _, _, kind in layers] == ["image", "points"]
    (pixels, options, _), (cells, _, _) = layers
    np.testing.assert_allclose(cells, simulated.tissue.positions[:, ::-1], rtol=1e-5)
    for _, given, _ in layers:
        assert given["metadata"][PLUGIN]["source"] == str(file)
        assert given["metadata"][PLUGIN]["key"] == given["name"]
    for layer in layers:
        Layer.create(*layer)
    # The ink mark of the simulator lies in the image where the truth says.
    image = Layer.create(pixels, options, "image")
    row, column = (round(i) for i in image.world_to_data(simulated.truth.landmark[::-1]))
    red, green, blue = (int(channel) for channel in pixels[row, column])
    assert red + green + blue < 0.5 * np.median(pixels.astype(int).sum(axis=2))


def test_stored_velocities_become_arrows(simulated, tmp_path):
    tissue = simulated.tissue
    arrows = np.stack([np.arange(tissue.n_cells) + 1.0, np.full(tissue.n_cells, 0.5)], axis=1).astype(np.float32)
    counts = np.ones((tissue.n_cells, 2), dtype=np.float32)
    field = VelocityField(tissue.genes[:2], counts, counts.copy(), counts.copy(), counts.copy())
    path = tmp_path / "fitted.h5ad"
    write_h5ad(path, tissue, velocity=field, projections={tissue.basis: arrows})
    data, options, kind = read_layers(str(path))[-1]
    assert (kind, options["name"]) == ("vectors", "velocity")
    np.testing.assert_allclose(data[:, 0], tissue.positions[:, ::-1], rtol=1e-5)
    np.testing.assert_allclose(data[:, 1], arrows[:, ::-1])
    assert (options["edge_color"][:, 3] == HALF).all(), "the direction was not tested"
    noise = replace(field, evidence=VelocityEvidence("none", 0.4, 1.0))
    write_h5ad(path, tissue, velocity=noise, projections={tissue.basis: arrows})
    _, options, _ = read_layers(str(path))[-1]
    assert (options["edge_color"][:, 3] == FAINT).all()
    assert noise.evidence.sentence in options["metadata"][PLUGIN]["arrow_key"].meaning


def test_a_truncated_file_gives_a_sentence(file):
    os.truncate(file, 4000)
    with pytest.raises(DataError, match=file.name):
        read_layers(str(file))


def test_an_image_that_lies_wrong_is_told_when_a_file_is_dropped(simulated, file, tmp_path, recwarn):
    read_layers(str(file))
    assert not [each for each in recwarn if "are on tissue" in str(each.message)]
    image = simulated.tissue.histology[0].moved(Placement(flip_y=True))
    path = tmp_path / "upside_down.h5ad"
    write_h5ad(path, simulated.tissue.with_(histology=(image,)))
    with pytest.warns(
        UserWarning,
        match=r"are on tissue.*\(flip-y\) it would be.*Adjust its placement in the dock 'Load "
        "tissue'",
    ):
        read_layers(str(path))
