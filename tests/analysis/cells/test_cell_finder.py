import numpy as np
import pytest

from napari_tissue_dynamics.analysis.cells.cell_finder import HALF_SLICE, CellFinder


def slow_nearest(positions, place, reach):
    distances = np.linalg.norm(positions - place, axis=1)
    return int(distances.argmin()) if distances.min() <= reach else None


def test_nearest_in_a_plane_is_that_of_a_loop(rng):
    positions = rng.uniform(0, [30, 10], (400, 2))
    finder = CellFinder(positions)
    places = rng.uniform(0, [30, 10], (200, 2))
    found = [finder.at(place, 0.4) for place in places]
    assert found == [slow_nearest(positions, place, 0.4) for place in places]
    assert None in found
    assert len(set(found)) > 50


def test_hidden_cells_are_not_found(rng):
    positions = rng.uniform(0, 10, (300, 2))
    shown = rng.random(300) < 0.3
    kept = np.flatnonzero(shown)
    for place in rng.uniform(0, 10, (50, 2)):
        assert CellFinder(positions, shown).at(place, 50) == kept[slow_nearest(positions[shown], place, 50)]
    assert CellFinder(positions, np.zeros(300, dtype=bool)).at((5, 5), 50) is None


def test_only_cells_of_the_plane_of_a_stack_are_found(rng):
    positions = np.column_stack([rng.uniform(0, 10, (500, 2)), rng.integers(0, 4, 500)])
    finder = CellFinder(positions)
    for x, y in rng.uniform(0, 10, (30, 2)):
        for z in (0.0, 2.0):
            plane = np.flatnonzero(np.abs(positions[:, 2] - z) <= HALF_SLICE)
            assert finder.at((x, y, z), 5) == plane[slow_nearest(positions[plane, :2], (x, y), 5)]


@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_a_line_of_sight_meets_the_first_cell_on_it(rng, scale):
    positions = rng.uniform(0, 20, (400, 3))
    finder = CellFinder(positions)
    found = []
    for start, towards in zip(rng.uniform(5, 15, (60, 3)), rng.normal(size=(60, 3)), strict=True):
        unit = towards / np.linalg.norm(towards)
        met = [
            ((place - start) @ unit, cell)
            for cell, place in enumerate(positions)
            if np.linalg.norm(np.cross(place - start, unit)) <= 0.8
        ]
        found.append(finder.along(start, scale * towards, 0.8))
        assert found[-1] == (min(met)[1] if met else None)
    assert None in found
    assert len(set(found)) > 20


def test_spacing_of_a_grid_is_its_step():
    x, y = np.meshgrid(np.arange(40) * 3.0, np.arange(30) * 3.0)
    positions = np.column_stack([x.ravel(), y.ravel()])
    assert CellFinder(positions).spacing == 3.0
    assert CellFinder(np.repeat(positions, 2, axis=0)).spacing == 3.0  # two samples in one place
    assert CellFinder(positions[:1]).spacing == 1.0
