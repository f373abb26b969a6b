"""Tables hold what the result holds, complete or not at all."""

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.data.fate_result import FateResult
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.export import ExportConfig, export, export_steps
from napari_tissue_dynamics.progress import run_to_end

ONLY_TABLES = ExportConfig(dashboard=False, n_components=4)


def test_tables_hold_the_numbers_of_the_result(tmp_path, tissue, result, fates):
    files = export(tmp_path / "out" / "here", tissue, result, ONLY_TABLES, fates=fates)
    assert sorted(path.name for path in (tmp_path / "out" / "here").iterdir()) == sorted(path.name for path in files)
    tables = {path.stem: pd.read_csv(path) for path in files}
    assert set(tables) == {"velocity_vectors", "kinetic_params", "latent_time", "fate_probabilities"}
    field = result.field

    time = tables["latent_time"]
    assert tuple(time["cell"]) == tissue.cells
    np.testing.assert_allclose(time["latent_time"], field.time, rtol=1e-4, atol=1e-5)
    assert tuple(time["state"]) == tuple(tissue.cell_types.values())

    kinetics = tables["kinetic_params"].set_index("gene")
    assert tuple(kinetics.index) == field.genes
    for rate in ("alpha", "beta", "gamma"):
        np.testing.assert_allclose(kinetics[rate], field.gene_table[f"fit_{rate}"], rtol=1e-4)
    np.testing.assert_array_equal(kinetics["velocity_gene"], field.velocity_genes)

    fate = tables["fate_probabilities"]
    np.testing.assert_allclose(fate[list(fates.names)], fates.probabilities, atol=1e-5)
    assert pd.isna(fate["most_likely"][5])
    certain = fates.probabilities.max(axis=1) == 1
    assert (fate["most_likely"][certain] == tissue.cell_types.values()[certain]).all()


def test_vectors_point_from_a_cell_to_where_it_will_be(tmp_path, tissue, result, simulated):
    export(tmp_path, tissue, result, ONLY_TABLES)
    table = pd.read_csv(tmp_path / "velocity_vectors.csv")
    places = table[[f"pc_{k}" for k in range(1, 5)]].to_numpy()
    motion = table[[f"velocity_pc_{k}" for k in range(1, 5)]].to_numpy()
    np.testing.assert_allclose(table["velocity_length"], np.linalg.norm(motion, axis=1), rtol=1e-4)
    # Going along the velocity, cells of the first segment come nearer to later cells of it.
    first = np.flatnonzero(simulated.truth.regime.codes == 0)
    time = simulated.truth.time[first]
    later = places[first][time > np.quantile(time, 0.8)].mean(axis=0)
    early = first[time < np.quantile(time, 0.3)]
    towards = ((later - places[early]) * motion[early]).sum(axis=1)
    assert (towards > 0).mean() > 0.9


def test_no_fates_no_table_of_fates(tmp_path, tissue, result):
    names = [path.name for path in export(tmp_path, tissue, result, ONLY_TABLES)]
    assert names == ["velocity_vectors.csv", "kinetic_params.csv", "latent_time.csv"]


def test_parts_that_do_not_belong_together_are_refused_before_anything_is_written(tmp_path, tissue, result, fates):
    few = tissue.select_cells(np.arange(100))
    with pytest.raises(DataError, match="220 cells but a tree has 100"):
        export(tmp_path / "no", few, result, ONLY_TABLES)
    shorter = FateResult(
        replace(fates.terminal, codes=fates.terminal.codes[:-1].copy()), fates.probabilities[:-1].copy()
    )
    with pytest.raises(DataError, match="fates has 219"):
        export(tmp_path / "no", tissue, result, ONLY_TABLES, fates=shorter)
    assert not (tmp_path / "no").exists()


def test_a_stopped_export_leaves_no_half_files(tmp_path, tissue, result):
    stop = threading.Event()
    steps = export_steps(tmp_path, tissue, result, ONLY_TABLES, stop)
    next(steps)
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(steps)
    assert len(list(tmp_path.glob("*.csv"))) < 3


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, tissue, result):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be created"):
        export(tmp_path / "file", tissue, result, ONLY_TABLES)


def test_a_model_without_a_clock_has_no_table_of_time(tmp_path, tissue, result):
    timeless = replace(result, field=replace(result.field, time=None))
    names = [path.name for path in export(tmp_path, tissue, timeless, ONLY_TABLES)]
    assert "latent_time.csv" not in names
