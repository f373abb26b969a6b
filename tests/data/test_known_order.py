import anndata
import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.data.io.file_contents import contents, obs_column
from napari_tissue_dynamics.data.known_order import cells_named, cells_of_type, defines_order, stage_of
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.simulators.velocity import simulate_bilinear
from napari_tissue_dynamics.simulators.write import write_simulated


@pytest.fixture(scope="module")
def simulated():
    return simulate_tissue(80, 30, seed=0)


def test_cells_of_a_type_are_all_of_them(simulated):
    tissue = simulated.tissue
    name = tissue.cell_types.categories[1]
    expected = [i for i, value in enumerate(tissue.cell_types.values()) if value == name]
    assert cells_of_type(tissue, name).tolist() == expected
    with pytest.raises(DataError, match="no cell type 'Nope'; there are"):
        cells_of_type(tissue, "Nope")
    with pytest.raises(DataError, match="no cell types"):
        cells_of_type(tissue.with_(cell_types=None), name)


def test_cells_are_found_by_name(simulated):
    tissue = simulated.tissue
    assert cells_named(tissue, [tissue.cells[7], tissue.cells[2]]).tolist() == [7, 2]
    with pytest.raises(DataError, match="no cell nobody"):
        cells_named(tissue, [tissue.cells[0], "nobody"])


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        (("E8.5", "E10", "E9.25"), [8.5, 10, 9.25, np.nan]),
        (("day 3", "day 12", "0"), [3, 12, 0, np.nan]),
    ],
)
def test_stage_is_the_number_in_the_name(categories, expected):
    labels = Labels("stage", np.array([0, 1, 2, -1], dtype=np.int32), categories)
    np.testing.assert_array_equal(stage_of("stage", labels), expected)


def test_names_without_an_order_are_refused():
    labels = Labels("type", np.array([0, 1], dtype=np.int32), ("epithelium", "stroma"))
    with pytest.raises(DataError, match=r"'type' does not define an order.*epithelium, stroma.*E8\.5"):
        stage_of("type", labels)
    np.testing.assert_array_equal(stage_of("t", np.array([2.5, np.nan])), [2.5, np.nan])


def test_ordered_categories_are_stages_in_their_order(tmp_path):
    values = pd.Categorical(["late", "early", "mid", None], ["early", "mid", "late"], ordered=True)
    adata = anndata.AnnData(np.ones((4, 2), np.float32), obs=pd.DataFrame({"phase": values}, index=list("abcd")))
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert contents(tmp_path / "a.h5ad").stages == ("phase",)
    labels = obs_column(tmp_path / "a.h5ad", "phase")
    np.testing.assert_array_equal(stage_of("phase", labels), [2, 0, 1, np.nan])


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (np.array([0.5, 1.0]), True),
        (np.array([3, 4]), True),
        (pd.Categorical(["E7", "E8"]), True),
        (pd.Categorical(["a", "b"]), False),
        (pd.Categorical(["late", "early"], ["early", "late"], ordered=True), True),
        (pd.Categorical(["x1", "y1"]), False),  # one number only
        (np.array(["7", "8"], dtype=object), False),  # strings may be as many as cells
        (np.array([True, False]), False),
    ],
)
def test_columns_that_can_be_stages(values, answer):
    assert defines_order(values) is answer


def test_a_simulated_file_holds_the_truth(tmp_path, simulated):
    write_simulated(tmp_path / "a.h5ad", simulated.tissue, simulated.truth)
    adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(adata.obs["true_time"], simulated.truth.time)
    np.testing.assert_allclose(adata.layers["true_velocity"], simulated.truth.velocity, rtol=1e-6)
    np.testing.assert_array_equal(adata.obsm["true_spatial_velocity"], simulated.truth.spatial_velocity)
    assert contents(tmp_path / "a.h5ad").stages == ("true_time",)
    benchmark = simulate_bilinear(60, 12, kinetics="mixed")
    write_simulated(tmp_path / "b.h5ad", benchmark.tissue, benchmark.truth)
    adata = anndata.read_h5ad(tmp_path / "b.h5ad")
    assert adata.obs["true_regime"].tolist() == benchmark.truth.regime.values().tolist()
    with pytest.raises(DataError, match="cannot be written"):
        write_simulated(tmp_path / "nowhere" / "c.h5ad", benchmark.tissue, benchmark.truth)
