from itertools import product

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.image.alignment import alignment, image_check, outline_of
from napari_tissue_dynamics.analysis.image.tissue_mask import LONGEST_SIDE, otsu, tissue_mask
from napari_tissue_dynamics.data.image_placement import Placement
from napari_tissue_dynamics.data.io import read_h5ad, write_h5ad
from napari_tissue_dynamics.data.tissue import Histology
from napari_tissue_dynamics.simulators.tissue import simulate_tissue

MOVES = [Placement(*switches) for switches in product((False, True), repeat=3)][1:]


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(n_cells=600, n_genes=30, seed=2).tissue


def slide(shape=(90, 140), dark=False, gray=False):
    """A wedge of tissue, and which pixels it covers."""
    rows, columns = np.indices(shape)
    truth = (columns > 20) & (rows > 12) & (columns + 2 * rows < 150)
    image = np.full((*shape, 3), 240, np.uint8)
    image[truth] = (200, 120, 170)
    image += np.random.default_rng(0).integers(0, 8, image.shape, dtype=np.uint8)
    image = 255 - image if dark else image
    return (image.mean(axis=2) if gray else image), truth


def test_otsu_is_the_best_of_all_thresholds():
    values = np.concatenate([np.random.default_rng(1).normal(2, 1, 700), np.random.default_rng(2).normal(8, 2, 300)])
    threshold, share = otsu(values)

    def within(t):
        return sum(part.size * part.var() for part in (values[values <= t], values[values > t]) if part.size)

    best = min(within(t) for t in np.sort(values)[1:-1])
    assert within(threshold) <= 1.01 * best
    assert share == pytest.approx(1 - within(threshold) / (values.size * values.var()), abs=0.01)
    assert otsu(np.ones(5))[1] == 0


@pytest.mark.parametrize(("dark", "gray"), [*product((False, True), repeat=2)])
def test_mask_finds_tissue_on_white_and_black_glass(dark, gray):
    image, truth = slide(dark=dark, gray=gray)
    assert (tissue_mask(image) == truth).mean() > 0.95


def test_large_images_are_reduced_and_plain_ones_have_no_tissue():
    image, truth = slide((1300, 700))
    mask = tissue_mask(image)
    assert max(mask.shape) <= LONGEST_SIDE
    assert mask.mean() == pytest.approx(truth.mean(), abs=0.03)
    noise = 200 + np.random.default_rng(0).integers(0, 8, (80, 80, 3))
    assert not tissue_mask(noise.astype(np.uint8)).any()


def test_well_placed_cells(tissue):
    image = tissue.histology[0]
    verdict = alignment(tissue.positions, image, outline_of(image))
    assert verdict.good
    assert verdict.on_tissue > 0.97
    assert verdict.n_cells == 600
    assert "of 600 cells are on tissue. No flip, swap or scale is better." in str(verdict)


@pytest.mark.parametrize("wrong", MOVES, ids=str)
def test_the_move_that_puts_it_right_is_found(tissue, wrong):
    outline = outline_of(tissue.histology[0])
    image = tissue.histology[0].moved(wrong)
    verdict = alignment(tissue.positions, image, outline)
    assert not verdict.good
    assert verdict.on_tissue < 0.9
    assert verdict.better is not None
    assert f"With the image moved ({verdict.better})" in str(verdict)
    righted = image.moved(verdict.better)
    assert righted.placement == Placement()
    assert alignment(tissue.positions, righted, outline).good
    assert verdict.better_on_tissue == pytest.approx(alignment(tissue.positions, righted, outline).on_tissue, abs=0.01)


def test_positions_in_another_unit(tissue):
    image = tissue.histology[0]
    verdict = alignment(
        0.2 * tissue.positions, image, outline_of(image), pixel_sizes=(1.0, 0.2 * image.pixel_size, 7.0)
    )
    assert verdict.better == Placement(scale=0.2)
    assert verdict.in_image < 0.6


def test_spots_on_glass_count_when_the_file_knows_them():
    image, truth = slide()
    rows, columns = (part.ravel()[::7] for part in np.indices(truth.shape))
    xy = np.stack([columns, rows], axis=1).astype(float)
    belong = truth[rows, columns]
    histology = Histology("slide", image, 1.0, (0.0, 0.0))
    outline = outline_of(histology)
    verdict = alignment(xy, histology, outline, expected=belong)
    assert verdict.good
    assert verdict.n_cells == belong.sum()
    turned = alignment(xy, histology.moved(Placement(flip_x=True)), outline, expected=belong)
    assert turned.better == Placement(flip_x=True)
    assert alignment(xy, histology, outline).on_tissue == pytest.approx(truth.mean(), abs=0.03)


def test_pictures_that_cannot_tell_say_so(tissue):
    plain = Histology("plain", np.full((50, 60), 7, np.uint8), 1.0, (0.0, 0.0))
    verdict = alignment(tissue.positions, plain, outline_of(plain))
    assert not verdict.known
    assert "no contrast" in str(verdict)
    rows, columns = np.indices((100, 100))
    disk = Histology(
        "disk", np.where((rows - 49.5) ** 2 + (columns - 49.5) ** 2 < 1200, 40, 250).astype(np.uint8), 1, (0, 0)
    )
    inside = np.argwhere(disk.image == 40).astype(float)
    verdict = alignment(inside, disk, outline_of(disk))
    assert len(verdict.alike) == 7
    assert "compare a landmark by eye" in str(verdict)


def test_check_reads_what_the_file_says(tissue, tmp_path):
    import anndata

    path = tmp_path / "t.h5ad"
    write_h5ad(path, tissue)
    assert image_check(tissue, path).expected is None
    adata = anndata.read_h5ad(path)
    known = np.arange(tissue.n_cells) % 3 > 0
    for values in (known, known.astype(int), np.where(known, "1", "0"), np.where(known, "True", "False")):
        adata.obs["in_tissue"] = values
        adata.write_h5ad(path)
        read = read_h5ad(path)
        check = image_check(read, path)
        np.testing.assert_array_equal(check.expected, known)
        (verdict,) = check.alignments(read)
        assert verdict.n_cells == known.sum()


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "spots"), [("st_mob1_with_he", 379), ("st_mob2_with_he", 407)])
def test_real_histology(shared_data, name, spots):
    path = shared_data / f"{name}.h5ad"
    tissue = read_h5ad(path)
    check = image_check(tissue, path)
    (verdict,) = check.alignments(tissue)
    assert verdict.n_cells == spots
    assert verdict.good
    assert verdict.on_tissue > 0.96
    for wrong in MOVES:
        turned = tissue.with_(histology=(tissue.histology[0].moved(wrong),))
        (found,) = check.alignments(turned)
        assert wrong.then(found.better) == Placement()
