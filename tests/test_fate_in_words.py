"""What is said of fates: no name stands for a state that begins and for one that ends."""

import numpy as np
import pytest

from napari_tissue_dynamics.data.fate_result import FateDrivers, FateResult
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.workflow import fate_in_words

N = 12


def result_of(ends, starts):
    codes = (np.arange(N) % 4 - 1).astype(np.int32)
    p = np.full((3, len(ends)), 0.5)
    drivers = FateDrivers(tuple(ends), ("g0", "g1", "g2"), np.eye(3, len(ends), dtype=np.float32), p, p, N)
    colors = tuple("#102030" for _ in ends)
    probabilities = np.tile(np.eye(1, len(ends), dtype=np.float32), (N, 1))
    initial = Labels("initial", np.where(codes == 0, 0, -1).astype(np.int32), tuple(starts), colors[: len(starts)])
    terminal = Labels("terminal", np.minimum(codes, len(ends) - 1), tuple(ends), colors)
    return FateResult(terminal, probabilities, initial=initial, drivers=drivers)


@pytest.mark.parametrize("name", ["state 1", "Alpha"])
def test_a_name_of_both_is_told_apart_wherever_it_stands(name):
    words = fate_in_words(result_of((name, "Beta"), (name,)))
    assert words.startswith(f"2 terminal states: {name} (terminal) (12 cells), Beta (0 cells).")
    assert f"Cells come from {name} (initial)." in words
    assert f"{name} (terminal): g0" in words
    assert words.count(name) == words.count(f"{name} (terminal)") + words.count(f"{name} (initial)")


def test_names_that_differ_stay_as_they_are():
    words = fate_in_words(result_of(("Alpha",), ("Ductal",)))
    assert words.startswith("1 terminal state: Alpha (12 cells). Cells come from Ductal.")
    assert "(terminal)" not in words
