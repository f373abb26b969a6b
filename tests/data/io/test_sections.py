import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist

from napari_tissue_dynamics.analysis.image.alignment import image_check
from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io import (
    ReadOptions,
    contents,
    from_anndata,
    obs_column,
    read_h5ad,
    write_h5ad,
)
from napari_tissue_dynamics.data.io.read_anndata import read_anndata
from napari_tissue_dynamics.data.io.sections import side_by_side
from napari_tissue_dynamics.data.tissue import Histology, Labels, Tissue
from napari_tissue_dynamics.errors import DataError

N = 40


@pytest.fixture
def adata(rng):
    """Three sections with overlapping coordinates, two of them with an image of another shape each."""
    n = 3 * N
    name = np.repeat(["front", "middle", "back"], N)
    adata = anndata.AnnData(
        rng.poisson(2, (n, 5)).astype(np.float32),
        obs=pd.DataFrame(
            {"library_id": pd.Categorical(name), "depth": rng.random(n)}, index=[f"c{i}" for i in range(n)]
        ),
        var=pd.DataFrame(index=[f"g{i}" for i in range(5)]),
    )
    adata.obsm["spatial"] = rng.uniform((20, 10), (150, 60), (n, 2))
    adata.obs["in_tissue"] = (np.arange(n) % 4 > 0).astype(int)
    adata.uns["spatial"] = {}
    for library, shape in (("front", (80, 170)), ("back", (70, 160))):
        image = np.full((*shape, 3), 245, np.uint8)
        image[10:60, 20:150] = (190, 90, 160)
        adata.uns["spatial"][library] = {"images": {"hires": image}, "scalefactors": {"tissue_hires_scalef": 1.0}}
    return adata


@pytest.fixture
def path(adata, tmp_path):
    adata.write_h5ad(tmp_path / "t.h5ad")
    return tmp_path / "t.h5ad"


def frames(tissue):
    sections = tissue.sections
    return [(xy.min(axis=0), xy.max(axis=0)) for k in range(3) for xy in [tissue.positions[sections.codes == k]]]


def test_sections_on_each_other_are_put_side_by_side(path, adata):
    tissue = read_h5ad(path)
    assert tissue.sections.name == "library_id"
    for i, one in enumerate(frames(tissue)):
        for other in frames(tissue)[i + 1 :]:
            assert (one[1] < other[0]).any() or (other[1] < one[0]).any()
    for k, name in enumerate(tissue.sections.categories):
        mine = tissue.sections.codes == k
        assert_array_equal(adata.obs["library_id"] == name, mine)
        assert_allclose(pdist(tissue.positions[mine]), pdist(adata.obsm["spatial"][mine]))
        shift = tissue.positions[mine] - adata.obsm["spatial"][mine]
        assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-9)
        for image in tissue.histology:
            if image.name == name:
                assert_allclose(image.origin, shift[0])


def test_an_anndata_is_read_in_the_unit_and_layout_of_the_options(path):
    options = ReadOptions(pixel_size_um=0.5)
    tissue = read_h5ad(path, options)
    again = from_anndata(read_anndata(path, options))
    assert (again.unit, tissue.unit) == ("um", "um")
    assert_allclose(again.positions, tissue.positions)
    for one, other in zip(again.histology, tissue.histology, strict=True):
        assert_allclose(one.origin, other.origin)


@pytest.mark.parametrize("n_sections", [2, 3])
def test_images_are_laid_out_with_their_sections_and_the_first_stays(n_sections, rng):
    """Images reach beyond the cells, each on another side; columns of sections begin one step apart."""
    names = ("a", "b", "c")[:n_sections]
    sections = Labels("slice", np.repeat(np.arange(n_sections, dtype=np.int32), N), names)
    corners = {"a": (-100.0, 0.0), "b": (0.0, -30.0), "c": (-50.0, -10.0)}
    images = tuple(Histology(name, np.zeros((60, 150), np.uint8), 1.0, corners[name]) for name in names)
    cells = n_sections * N
    tissue = Tissue(
        tuple(f"c{i}" for i in range(cells)), ("g",), rng.uniform(0, 20, (cells, 2)), histology=images,
        expression=np.ones((cells, 1), np.float32),
    )  # fmt: skip
    laid = side_by_side(tissue, sections)
    assert_array_equal(laid.positions[:N], tissue.positions[:N])
    gap = 0.08 * 150  # of the longest side of all
    edges = [np.array(image.origin) - image.pixel_size / 2 for image in laid.histology]
    assert_allclose(edges[1] - edges[0], [150 + gap, 0])
    if n_sections == 3:
        assert_allclose(edges[2] - edges[0], [0, 60 + gap])
    for image, before in zip(laid.histology, images, strict=True):
        mine = sections.codes == names.index(image.name)
        shift = np.array(image.origin) - before.origin
        assert_allclose(laid.positions[mine] - tissue.positions[mine], np.broadcast_to(shift, (N, 2)), atol=1e-9)


def test_each_image_is_judged_with_its_own_cells(path):
    tissue = read_h5ad(path)
    check = image_check(tissue, path)
    assert [(verdict.library, verdict.n_cells, verdict.on_tissue) for verdict in check.alignments(tissue)] == [
        (name, 30, pytest.approx(1.0, abs=0.04)) for name in ("back", "front")
    ]
    for move in (Placement(flip_x=True), Placement(swap=True), Placement(scale=0.5)):
        images = tuple(image.moved(move) for image in tissue.histology)
        turned = tissue.with_(histology=images)
        for verdict in image_check(turned, path).alignments(turned):
            assert verdict.on_tissue < 0.99 or move.flip_x
        back = tuple(image.moved(move.undone) for image in images)
        for one, other in zip(back, tissue.histology, strict=True):
            assert_allclose(one.origin, other.origin)


def test_one_section_at_a_time(path, adata):
    tissue = read_h5ad(path, ReadOptions(only=("library_id", "back")))
    mine = adata.obs["library_id"] == "back"
    assert tissue.cells == tuple(adata.obs_names[mine])
    assert_array_equal(tissue.positions, adata.obsm["spatial"][mine])
    assert [image.name for image in tissue.histology] == ["back"]
    spots = read_h5ad(path, ReadOptions(only=("in_tissue", "1"), sections=""))
    assert spots.n_cells == 90
    assert len(spots.histology) == 2
    assert_array_equal(obs_column(path, "depth", tissue.cells), adata.obs["depth"][mine])
    assert obs_column(path, "library_id", tissue.cells).values().tolist() == ["back"] * N
    with pytest.raises(DataError, match="the value 'nothing'; it has back, front, middle"):
        read_h5ad(path, ReadOptions(only=("library_id", "nothing")))
    with pytest.raises(DataError, match="has no cell 'nobody'"):
        obs_column(path, "depth", ("nobody",))


def test_sections_apart_stay_and_can_be_turned_off(adata, tmp_path):
    adata.obsm["spatial"] += 1000.0 * adata.obs["library_id"].cat.codes.to_numpy()[:, None]
    adata.uns.clear()
    adata.write_h5ad(tmp_path / "apart.h5ad")
    tissue = read_h5ad(tmp_path / "apart.h5ad")
    assert_array_equal(tissue.positions, adata.obsm["spatial"])
    assert read_h5ad(tmp_path / "apart.h5ad", ReadOptions(sections="")).sections is None
    with pytest.raises(DataError, match="holds numbers; names of sections"):
        read_h5ad(tmp_path / "apart.h5ad", ReadOptions(sections="depth"))


def test_what_a_file_offers(path):
    found = contents(path)
    assert found.sections == ("library_id",)
    assert ("in_tissue", "1") in found.subsets
    assert ("library_id", "front") in found.subsets


def test_a_part_is_saved_with_all_that_the_file_has_of_it(path, adata, tmp_path):
    tissue = read_h5ad(path, ReadOptions(only=("library_id", "back")))
    out = tmp_path / "out.h5ad"
    write_h5ad(out, tissue, source=path)
    saved = anndata.read_h5ad(out)
    assert saved.obs_names.tolist() == list(tissue.cells)
    assert_array_equal(saved.obs["depth"], adata.obs["depth"][saved.obs_names])
    assert_array_equal(saved.X, adata[saved.obs_names].X)
