import numpy as np
import pytest

from napari_tissue_dynamics.analysis.validation.expected_order import order_of_stages, order_of_types
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError

TYPES = Labels("type", np.array([0, 1, 2, 3, -1], dtype=np.int32), ("stem", "T cell, CD4", "late A", "late B"))


def test_paths_commas_and_arrows_become_edges():
    order = order_of_types(TYPES, "Stem > T cell, CD4 → late a, LATE B; stem -> late B")
    assert order.named_edges == (
        ("stem", "T cell, CD4"),
        ("T cell, CD4", "late A"),
        ("T cell, CD4", "late B"),
        ("stem", "late B"),
    )
    np.testing.assert_array_equal(order.stage, [0, 1, 2, 2, np.nan])


def test_a_circle_has_no_stage():
    order = order_of_types(TYPES, "stem > late A > late B > stem")
    assert len(order.edges) == 3
    assert order.stage is None


@pytest.mark.parametrize("text", ["", "stem", "stem, late A", " > "])
def test_an_order_without_an_arrow_is_refused(text):
    with pytest.raises(DataError, match="Write 'A > B > C'"):
        order_of_types(TYPES, text)


def test_unknown_type_is_named():
    with pytest.raises(DataError, match=r"no cell type 'Stam'.*stem"):
        order_of_types(TYPES, "Stam > late A")


def test_stages_of_categories_keep_their_names():
    days = Labels("day", np.array([2, 0, 1, -1], dtype=np.int32), ("day 3", "day 10", "day 1"))
    order = order_of_stages("day", days)
    assert order.named_edges == (("day 1", "day 3"), ("day 3", "day 10"))
    np.testing.assert_array_equal(order.labels, [0, 1, 2, -1])
    np.testing.assert_array_equal(order.stage, [1, 3, 10, np.nan])


def test_many_numbers_are_cut_into_bins_of_like_size(rng):
    values = rng.permutation(np.append(np.arange(600.0) ** 2, np.nan))
    order = order_of_stages("age", values)
    assert len(order.edges) == 5
    np.testing.assert_array_equal(np.bincount(order.labels[order.labels >= 0]), 6 * [100])
    known = order.labels >= 0
    assert (np.diff(order.labels[known][np.argsort(values[known])]) >= 0).all()


def test_one_stage_is_no_order():
    with pytest.raises(DataError, match="1 different stage"):
        order_of_stages("age", np.ones(5))
