"""Threads that a fit takes, and gives back."""

from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from napari_tissue_dynamics.compute import FEW_VALUES, one_blas_thread, torch_threads_for


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.usefixtures("two_threads")
def test_small_arrays_are_computed_in_one_thread_and_large_ones_in_all():
    with torch_threads_for(FEW_VALUES):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with torch_threads_for(FEW_VALUES + 1):
        assert torch.get_num_threads() == 2
    with pytest.raises(RuntimeError), torch_threads_for(1):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_blas_has_one_thread_inside_and_what_it_had_outside():
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before
