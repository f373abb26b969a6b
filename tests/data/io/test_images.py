from __future__ import annotations

import anndata
import imageio.v3
import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from napari_tissue_dynamics.data.io import ReadOptions, contents, from_anndata, read_h5ad
from napari_tissue_dynamics.data.io.images import as_image, image_file, other_pixel_sizes
from napari_tissue_dynamics.data.io.table import MemoryTable
from napari_tissue_dynamics.errors import DataError

ROWS, COLUMNS = 700, 400  # of the full-resolution image
SPOT = (331, 87)  # (x, y): the full-resolution pixel with the bright spot


def full_image() -> np.ndarray:
    image = np.zeros((ROWS, COLUMNS, 3), dtype=np.uint8)
    image[SPOT[1], SPOT[0]] = 255
    return image


def shrunk(image: np.ndarray, block: int) -> np.ndarray:
    """The image with every block of pixels averaged."""
    rows, columns = image.shape[0] // block, image.shape[1] // block
    return image[: rows * block, : columns * block].reshape(rows, block, columns, block, -1).mean(axis=(1, 3))


def slide(images: dict[str, np.ndarray], scalefactors: dict[str, float], library="slide") -> anndata.AnnData:
    adata = anndata.AnnData(
        np.ones((2, 3), dtype=np.float32),
        obs=pd.DataFrame(index=["spot", "other"]),
        var=pd.DataFrame(index=["a", "b", "c"]),
    )
    adata.obsm["spatial"] = np.array([SPOT, (5, 600)], dtype=float)
    adata.uns["spatial"] = {library: {"images": images, "scalefactors": scalefactors}}
    return adata


def brightest(histology) -> np.ndarray:
    """(x, y) of the brightest pixel, by the geometry of the histology."""
    gray = histology.image.astype(float).reshape(*histology.image.shape[:2], -1).max(axis=2)
    row, column = np.unravel_index(gray.argmax(), gray.shape)
    return np.array(histology.origin) + np.array([column, row]) * histology.pixel_size


@pytest.mark.parametrize("block", [1, 2, 5, 7, 10])
@pytest.mark.parametrize("options", [ReadOptions(), ReadOptions(pixel_size_um=0.37)])
def test_a_known_spot_lies_under_its_cell(block, options, tmp_path):
    adata = slide({"hires": shrunk(full_image(), block) / 255}, {"tissue_hires_scalef": 1 / block})
    adata.write_h5ad(tmp_path / "slide.h5ad")
    for tissue in (from_anndata(adata, options), read_h5ad(tmp_path / "slide.h5ad", options)):
        (histology,) = tissue.histology
        unit = options.pixel_size_um or 1.0
        assert histology.pixel_size == pytest.approx(block * unit)
        assert_allclose(tissue.positions[0], np.array(SPOT) * unit)
        distance = np.abs(brightest(histology) - tissue.positions[0])
        assert (distance <= histology.pixel_size / 2 + 1e-9).all()


def test_edges_of_a_shrunk_image_are_those_of_the_full_one():
    block = 10
    tissue = from_anndata(slide({"lowres": shrunk(full_image(), block)}, {"tissue_lowres_scalef": 1 / block}))
    (histology,) = tissue.histology
    rows, columns = histology.image.shape[:2]
    first_edge = np.array(histology.origin) - histology.pixel_size / 2
    assert_allclose(first_edge, [-0.5, -0.5])
    assert_allclose(first_edge + np.array([columns, rows]) * histology.pixel_size, [COLUMNS - 0.5, ROWS - 0.5])


def test_the_best_image_is_taken():
    full = full_image()
    images = {"lowres": shrunk(full, 20) / 255, "hires": shrunk(full, 5) / 255, "fullres": full}
    scales = {"tissue_hires_scalef": 0.2, "tissue_lowres_scalef": 0.05}
    assert from_anndata(slide(images, scales)).histology[0].pixel_size == pytest.approx(5)
    del images["hires"]
    assert from_anndata(slide(images, scales)).histology[0].pixel_size == pytest.approx(20)
    del images["lowres"]
    assert from_anndata(slide(images, scales)).histology[0].pixel_size == 1


def test_several_libraries(tmp_path):
    adata = slide({"hires": np.zeros((20, 10, 3))}, {"tissue_hires_scalef": 0.5}, "first")
    adata.uns["spatial"]["second"] = {
        "images": {"lowres": np.ones((7, 9))}, "scalefactors": {"tissue_lowres_scalef": 0.1}
    }  # fmt: skip
    adata.uns["spatial"]["without"] = {"scalefactors": {}}
    adata.write_h5ad(tmp_path / "slide.h5ad")
    assert contents(tmp_path / "slide.h5ad").libraries == ("first", "second")
    both = read_h5ad(tmp_path / "slide.h5ad").histology
    assert {one.name: (one.image.shape, one.pixel_size) for one in both} == {
        "first": ((20, 10, 3), 2.0),
        "second": ((7, 9), 10.0),
    }
    (one,) = read_h5ad(tmp_path / "slide.h5ad", ReadOptions(library="second")).histology
    assert one.name == "second"
    with pytest.raises(DataError, match="no image library 'third'; it has first, second"):
        from_anndata(adata, ReadOptions(library="third"))


def test_microns_per_pixel_of_the_scale_factors():
    adata = slide({"hires": shrunk(full_image(), 4) / 255}, {"tissue_hires_scalef": 0.25, "microns_per_pixel": 0.27})
    tissue = from_anndata(adata)
    assert tissue.unit == "um"
    assert_allclose(tissue.positions[0], np.array(SPOT) * 0.27)
    assert tissue.histology[0].pixel_size == pytest.approx(4 * 0.27)
    assert (np.abs(brightest(tissue.histology[0]) - tissue.positions[0]) <= 2 * 0.27 + 1e-9).all()


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(DataError, match="scale factor of image 'hires' of 'slide'"):
        from_anndata(slide({"hires": full_image()}, {"tissue_hires_scalef": scale}))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_image_file_beside_the_data(suffix, tmp_path):
    adata = slide({}, {})
    del adata.uns["spatial"]
    adata.write_h5ad(tmp_path / "slide.h5ad")
    assert read_h5ad(tmp_path / "slide.h5ad").histology == ()
    imageio.v3.imwrite(tmp_path / f"slide{suffix}", full_image())
    tissue = read_h5ad(tmp_path / "slide.h5ad")
    alone = image_file(tmp_path / f"slide{suffix}")
    assert (alone.pixel_size, alone.origin) == (1.0, tissue.histology[0].origin)
    assert_array_equal(tissue.histology[0].image, full_image())
    assert_array_equal(brightest(tissue.histology[0]), SPOT)


@pytest.mark.parametrize("pixel_size_um", [None, 0.5])
def test_a_chosen_image_file_takes_the_place_of_the_others(pixel_size_um, tmp_path):
    adata = slide({"hires": np.ones((3, 3))}, {"tissue_hires_scalef": 1.0})
    imageio.v3.imwrite(tmp_path / "chosen.png", np.rint(shrunk(full_image(), 5) * 10).astype(np.uint8))
    options = ReadOptions(image=tmp_path / "chosen.png", image_pixel_size=5.0, pixel_size_um=pixel_size_um)
    tissue = from_anndata(adata, options)
    (histology,) = tissue.histology
    assert histology.name == "chosen"
    assert histology.pixel_size == 5 * (pixel_size_um or 1)
    assert (np.abs(brightest(histology) - tissue.positions[0]) <= histology.pixel_size / 2).all()


def test_of_a_pyramid_a_level_that_fits_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_tissue_dynamics.data.io.images.LARGEST_SIDE", 400)
    layout = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
    with tifffile.TiffWriter(tmp_path / "p.tif") as tiff:
        tiff.write(full_image(), subifds=1, **layout)
        tiff.write(shrunk(full_image(), 2).astype(np.uint8), subfiletype=1, **layout)
    (histology,) = from_anndata(slide({}, {}), ReadOptions(image=tmp_path / "p.tif")).histology
    assert histology.image.shape == (350, 200, 3)
    assert histology.pixel_size == 2
    assert histology.origin == (0.5, 0.5)
    assert (np.abs(brightest(histology) - SPOT) <= 1).all()


def test_image_files_that_cannot_be_used(tmp_path):
    (tmp_path / "no.png").write_bytes(b"no image at all")
    (tmp_path / "no.tif").write_bytes(b"no image at all")
    for name, words in (("none.png", "no image"), ("no.png", "cannot be read"), ("no.tif", "cannot be read")):
        with pytest.raises(DataError, match=words):
            from_anndata(slide({}, {}), ReadOptions(image=tmp_path / name))
    imageio.v3.imwrite(tmp_path / "good.png", full_image())
    with pytest.raises(DataError, match="pixel size of the image is 0"):
        from_anndata(slide({}, {}), ReadOptions(image=tmp_path / "good.png", image_pixel_size=0.0))
    embedded = slide({}, {})
    embedded.obsm["X_umap"] = embedded.obsm.pop("spatial")
    with pytest.raises(DataError, match="only an embedding"):
        from_anndata(embedded, ReadOptions(image=tmp_path / "good.png"))


@pytest.mark.parametrize(
    ("message", "reason"),
    [("the first line.\nthe second line", r"\(the first line\)"), ("", r"\(ValueError\)"), (" \n ", r"\(ValueError\)")],
)
def test_of_an_error_of_the_reader_one_line_is_told(message, reason, tmp_path, monkeypatch):
    (tmp_path / "odd.png").write_bytes(b"")

    def fail(path):
        raise ValueError(message)

    monkeypatch.setattr("imageio.v3.imread", fail)
    with pytest.raises(DataError, match=reason):
        from_anndata(slide({}, {}), ReadOptions(image=tmp_path / "odd.png"))


def test_pixel_sizes_that_may_be_right_are_those_of_the_scale_factors():
    factors = {"tissue_hires_scalef": 0.25, "tissue_lowres_scalef": 0.1, "microns_per_pixel": 0.5}
    images = {"hires": full_image()}
    assert_allclose(other_pixel_sizes(MemoryTable(slide(images, factors))), [0.5, 1, 2, 4, 5, 10])
    for useless in (0.0, -1.0):
        spoiled = factors | {"tissue_lowres_scalef": useless, "microns_per_pixel": useless}
        assert_allclose(other_pixel_sizes(MemoryTable(slide(images, spoiled))), [1, 4])


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[0.0, 128.4, 255.0]]), [[0, 128, 255]]),
        (np.array([[0, 7, 255]], dtype=np.uint8), [[0, 7, 255]]),
        (np.array([[False, True]]), [[0, 255]]),
        (np.array([[np.nan, 1.0]]), [[0, 255]]),
        (np.array([[[0, 2**15, 2**16 - 1]]], dtype=np.uint16), [[[0, 128, 255]]]),
        (np.array([[[0, 2**11, 2**12 - 1]]], dtype=np.uint16), [[[0, 128, 255]]]),
        (np.array([[[0, 2**11, 4000]]], dtype=np.uint16), [[[0, 128, 249]]]),  # 12 bits, not the brightest pixel
        (np.array([[0, 2000, 4000]], dtype=np.uint16), [[0, 128, 255]]),
    ],
)
def test_brightness(pixels, expected):
    image = as_image(pixels, "image")
    assert image.dtype == np.uint8
    assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 5), (6, 5)),
        ((6, 5, 1), (6, 5)),
        ((6, 5, 2), (6, 5)),
        ((6, 5, 3), (6, 5, 3)),
        ((6, 5, 4), (6, 5, 4)),
        ((3, 6, 5), (6, 5, 3)),
        ((4, 6, 5), (6, 5, 4)),
        ((2, 6, 5), (6, 5)),
        ((6, 5, 1, 3), (6, 5, 3)),
    ],
)
def test_shapes(shape, expected):
    assert as_image(np.zeros(shape, dtype=np.uint8), "image").shape == expected


@pytest.mark.parametrize("shape", [(6, 5, 7), (2, 6, 5, 3), (6,), (0, 5)])
def test_shapes_that_are_no_image(shape):
    with pytest.raises(DataError, match="image 'odd'"):
        as_image(np.zeros(shape), "odd")
