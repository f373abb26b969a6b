"""Cells without information are left out of a fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit
from napari_tissue_dynamics.kinetics.informative import informative_cells
from napari_tissue_dynamics.kinetics.root_cells import Origin
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.workflow.picture import picture_steps

EMPTY = np.arange(12)


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(250, 60, seed=0).tissue


@pytest.fixture(scope="module")
def with_empty(tissue):
    layers = {name: getattr(tissue, name).toarray() for name in ("spliced", "unspliced")}
    for values in layers.values():
        values[EMPTY] = 0
    return tissue.with_(**{name: sparse.csr_array(values) for name, values in layers.items()})


def test_cells_without_a_layer_or_with_few_counts_are_not_informative(tissue):
    spliced, unspliced = tissue.spliced.toarray(), tissue.unspliced.toarray()
    unspliced[0] = 0
    spliced[1] = 0
    total = (spliced + unspliced).sum(axis=1)
    spliced[2] *= 0.03 * np.median(total) / total[2]
    unspliced[2] *= 0.03 * np.median(total) / total[2]
    found = informative_cells(tissue.with_(spliced=sparse.csr_array(spliced), unspliced=sparse.csr_array(unspliced)))
    assert_array_equal(np.flatnonzero(~found), [0, 1, 2])
    assert informative_cells(tissue.with_(unspliced=None)).all()


def test_empty_cells_change_nothing_for_the_others(with_empty):
    field = fit(with_empty)
    others = np.setdiff1d(np.arange(with_empty.n_cells), EMPTY)
    alone = fit(with_empty.select_cells(others))
    assert alone.informative is None
    assert_array_equal(field.spliced[others], alone.spliced)
    assert_array_equal(field.time[others], alone.time)
    assert not field.spliced[EMPTY].any()
    assert np.isnan(field.time[EMPTY]).all()
    assert_array_equal(field.informative, ~np.isin(np.arange(with_empty.n_cells), EMPTY))
    if field.expert is not None:
        assert (field.expert[EMPTY] == -1).all()
        assert_array_equal(field.expert[others], alone.expert)
    assert_array_equal(field.of_informative().spliced, alone.spliced)


def test_the_picture_has_no_arrows_on_them(with_empty):
    field = fit(with_empty)
    reports = []
    result = run_to_end(picture_steps(with_empty, field), reports.append)
    looks = [report.snapshot for report in reports if report.snapshot is not None]
    assert_array_equal(looks[0].arrows, result.arrows)
    others = np.setdiff1d(np.arange(with_empty.n_cells), EMPTY)
    alone = run_to_end(picture_steps(with_empty.select_cells(others), field.of_informative()))
    assert result.field is field
    assert not result.arrows[EMPTY].any()
    assert_array_equal(result.arrows[others], alone.arrows)
    assert np.isnan(result.neighbor_correlation[EMPTY]).all()
    assert (result.graph.neighbors[EMPTY] == EMPTY[:, None]).all()
    assert_array_equal(result.graph.neighbors[others], others[alone.graph.neighbors])


def test_root_cells_are_those_of_the_whole_tissue(with_empty):
    origin = Origin(roots=np.array([3, 40, 41]))
    informative = informative_cells(with_empty)
    assert_array_equal(origin.among(informative).roots, np.array([40, 41]) - len(EMPTY))
    staged = Origin(stage=np.arange(with_empty.n_cells, dtype=float)).among(informative)
    assert_array_equal(staged.stage, np.arange(len(EMPTY), with_empty.n_cells))
    with pytest.raises(DataError, match="Cell 900 was chosen as a root"):
        fit(with_empty, KineticsConfig(), origin=Origin(roots=np.array([900])))
