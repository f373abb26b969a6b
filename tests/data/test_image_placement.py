from itertools import product

import anndata
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad, write_h5ad
from napari_tissue_dynamics.data.tissue import Histology
from napari_tissue_dynamics.errors import DataError

ALL = [Placement(*switches, scale) for *switches, scale in product((False, True), (False, True), (False, True), (1, 3))]
IMAGE = Histology("slide", np.arange(5 * 7, dtype=np.uint8).reshape(5, 7), 2.0, (11.0, -3.0))


def places(image):
    """Return the (x, y) of every gray value: what a person sees where."""
    rows, columns = np.indices(image.image.shape)
    x = image.origin[0] + columns * image.pixel_size
    y = image.origin[1] + rows * image.pixel_size
    return {int(v): (a, b) for v, a, b in zip(image.image.ravel(), x.ravel(), y.ravel(), strict=True)}


def by_hand(place, placement):
    x, y = place
    width, height, left, top = 6 * 2.0, 4 * 2.0, 11.0, -3.0
    if placement.swap:
        x, y, width, height, left, top = y, x, height, width, top, left
    x = 2 * left + width - x if placement.flip_x else x
    y = 2 * top + height - y if placement.flip_y else y
    return x * placement.scale, y * placement.scale


@pytest.mark.parametrize("placement", ALL, ids=str)
def test_every_pixel_goes_where_geometry_says(placement):
    before, after = places(IMAGE), places(IMAGE.moved(placement))
    for value, place in before.items():
        assert_allclose(after[value], by_hand(place, placement))


@pytest.mark.parametrize("placement", ALL, ids=str)
def test_names_and_undoing(placement):
    assert Placement.parse(str(placement)) == placement
    there_and_back = IMAGE.moved(placement).moved(placement.undone)
    assert_array_equal(there_and_back.image, IMAGE.image)
    assert_allclose(there_and_back.origin, IMAGE.origin)
    assert there_and_back.placement == Placement()


def test_two_moves_are_one():
    for one, other in product(ALL, ALL):
        both = IMAGE.moved(one).moved(other)
        assert_array_equal(both.image, IMAGE.moved(one.then(other)).image)
        assert both.placement == one.then(other)


def test_words_that_name_no_placement():
    with pytest.raises(DataError, match=r"'upside down' is not an image placement. Give 'swap'"):
        Placement.parse("swap, upside down")
    with pytest.raises(DataError, match="contains no number"):
        Placement.parse("scale much")
    with pytest.raises(DataError, match="above 0"):
        Placement.parse("scale -1")


def test_moves_are_kept_in_the_file_and_can_be_given(tmp_path):
    adata = anndata.AnnData(np.ones((3, 2), np.float32), obsm={"spatial": np.array([[0, 0], [4, 1], [2, 6]], float)})
    adata.uns["spatial"] = {"slide": {"images": {"hires": IMAGE.image}, "scalefactors": {"tissue_hires_scalef": 0.5}}}
    path, out, again = (tmp_path / name for name in ("in.h5ad", "out.h5ad", "again.h5ad"))
    adata.write_h5ad(path)
    tissue = read_h5ad(path)
    flipped = tissue.histology[0].moved(Placement(flip_y=True, swap=True))
    write_h5ad(out, tissue.with_(histology=(flipped,)), source=path)
    read = read_h5ad(out)
    assert places(read.histology[0]) == places(flipped)
    assert_array_equal(read.positions, tissue.positions)
    assert_array_equal(anndata.read_h5ad(out).uns["spatial"]["slide"]["images"]["hires"], IMAGE.image)
    write_h5ad(again, read.with_(histology=tissue.histology), source=out)
    assert places(read_h5ad(again).histology[0]) == places(tissue.histology[0])
    given = read_h5ad(path, ReadOptions(placement=Placement(flip_y=True, swap=True)))
    assert places(given.histology[0]) == places(flipped)
    write_h5ad(again, read)
    assert places(read_h5ad(again).histology[0]) == places(flipped)
