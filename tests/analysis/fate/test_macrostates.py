import threading

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.fate.macrostates import macrostates, slow_space_steps
from napari_tissue_dynamics.analysis.fate.terminal_states import end_states, named_states
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end

SIZE = 40


@pytest.fixture
def wells(rng):
    """A chain of four sets of forty cells: the first is left for the others, these hardly ever."""
    weights = rng.uniform(0.5, 1.5, (4 * SIZE, 4 * SIZE))
    sets = np.repeat(np.arange(4), SIZE)
    between = np.full((4, 4), 1e-5)
    np.fill_diagonal(between, 1.0)
    between[0, 1:] = 0.015
    weights *= between[np.ix_(sets, sets)]
    return sparse.csr_array(weights / weights.sum(axis=1, keepdims=True)), sets


def slow(chain, most=8, **more):
    return run_to_end(slow_space_steps(chain, most, **more))


def test_leading_eigenvalues_are_those_of_the_dense_chain(wells):
    chain, _ = wells
    expected = np.sort(np.linalg.eigvals(chain.toarray()).real)[::-1]
    np.testing.assert_allclose(slow(chain).eigenvalues.real[:4], expected[:4], atol=1e-8)


def test_no_set_that_is_never_left_is_missed(rng):
    blocks = [rng.uniform(size=(30, 30)) for _ in range(7)]
    chain = sparse.csr_array(sparse.block_diag([block / block.sum(axis=1, keepdims=True) for block in blocks]))
    space = slow(chain, 10)
    np.testing.assert_allclose(space.eigenvalues.real[:7], 1, atol=1e-9)
    found = macrostates(space, 7)
    expected = np.repeat(np.eye(7), 30, axis=0)
    order = found.membership[::30].argmax(axis=0)
    np.testing.assert_allclose(found.membership[:, np.argsort(order)], expected, atol=1e-6)
    np.testing.assert_allclose(found.stability, 1, atol=1e-9)


def test_densities_are_dual_to_memberships_and_lie_in_the_sets(wells):
    chain, sets = wells
    found = macrostates(slow(chain), 4)
    np.testing.assert_allclose(found.membership.sum(axis=1), 1, atol=1e-5)
    main = [np.bincount(sets, found.core[:, each]).argmax() for each in range(4)]
    assert sorted(main) == [0, 1, 2, 3]
    into = np.array(main) > 0
    assert found.locality[into].min() > 0.9
    stay = [chain[sets == each][:, sets == each].sum() / SIZE for each in main]
    np.testing.assert_allclose(found.stability, stay, atol=0.002)


def test_states_are_the_sets_that_are_run_into(wells):
    chain, sets = wells
    found = end_states(chain, slow(chain), n_cells=20)
    assert found.number == 3
    assert {int(sets[found.codes == state][0]) for state in range(3)} == {1, 2, 3}
    for state in range(3):
        assert len(set(sets[found.codes == state])) == 1
        assert (found.codes == state).sum() == 20
    assert found.membership[found.codes >= 0].min() > 0.9


def test_a_number_of_states_is_taken_as_asked(wells):
    chain, _ = wells
    assert end_states(chain, slow(chain), number=2, n_cells=20).number == 2
    with pytest.raises(DataError, match="Ask for fewer"):
        end_states(chain, slow(chain), number=8, n_cells=20)


def test_states_that_lie_early_do_not_count(wells):
    chain, sets = wells
    time = np.where(sets == 2, 0.0, sets)
    found = end_states(chain, slow(chain), n_cells=20, order=time, min_order=0.5)
    assert {int(sets[found.codes == state][0]) for state in range(found.number)} == {1, 3}


def test_a_chain_without_ends_is_one_sentence(rng):
    ring = sparse.csr_array(np.roll(np.eye(60), 1, axis=1))
    with pytest.raises(DataError, match="No state was found"):
        end_states(ring, slow(ring), min_stability=1.1)


def test_states_are_named_after_their_types():
    codes = np.array([0, 0, 0, 1, 1, 2, 2, -1])
    types = Labels("type", np.array([1, 1, 0, 0, 0, 1, 1, 1], np.int32), ("A", "B"), ("#ff0000", "#0000ff"))
    named = named_states(codes, types)
    assert named.categories == ("B 1", "A", "B 2")
    assert named.colors[1] == "#ff0000"
    assert len(set(named.colors)) == 3
    assert named_states(codes).categories == ("state 1", "state 2", "state 3")


def test_stop_ends_the_work(wells):
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        slow(wells[0], stop=stop)
