import threading

import numpy as np
import pytest
from scipy import sparse

from napari_tissue_dynamics.analysis.fate import absorption
from napari_tissue_dynamics.analysis.fate.absorption import absorption_steps, reaching
from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end


def random_chain(rng, n=120, k=6):
    weights = sparse.random_array((n, n), density=k / n, rng=rng).toarray() + np.diag(rng.uniform(0.1, 1, n))
    return weights / weights.sum(axis=1, keepdims=True)


def codes_of(n, *states):
    codes = np.full(n, -1)
    for state, cells in enumerate(states):
        codes[cells] = state
    return codes


def found(chain, codes, **more):
    return run_to_end(absorption_steps(sparse.csr_array(chain), codes, **more))


@pytest.mark.parametrize("direct", [10**6, 0])
def test_equals_dense_solve(rng, direct, monkeypatch):
    monkeypatch.setattr(absorption, "DIRECT", direct)
    chain = random_chain(rng)
    codes = codes_of(120, [3, 4], [50], [77, 100, 101])
    transient = codes < 0
    ends = np.stack([chain[transient][:, codes == state].sum(axis=1) for state in range(3)], axis=1)
    expected = np.linalg.solve(np.eye(transient.sum()) - chain[np.ix_(transient, transient)], ends)
    result = found(chain, codes)
    np.testing.assert_allclose(result[transient], expected, atol=1e-6)
    np.testing.assert_array_equal(result[~transient], np.eye(3)[codes[~transient]])
    np.testing.assert_allclose(result.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


def test_equals_simulation_of_the_chain(rng):
    chain = random_chain(rng, n=30, k=8)
    codes = codes_of(30, [1], [2])
    walkers = np.repeat(np.arange(30), 1500)
    steps = np.cumsum(chain, axis=1)
    steps[:, -1] = 1.0
    for _ in range(2000):
        moving = np.flatnonzero(codes[walkers] < 0)
        if not moving.size:
            break
        walkers[moving] = (rng.random(moving.size)[:, None] > steps[walkers[moving]]).sum(axis=1)
    simulated = np.stack([(codes[walkers] == state).reshape(30, -1).mean(axis=1) for state in range(2)], axis=1)
    np.testing.assert_allclose(found(chain, codes), simulated, atol=0.05)


def test_gamblers_ruin():
    n, up = 21, 0.55
    chain = np.diag(np.full(n - 1, up), 1) + np.diag(np.full(n - 1, 1 - up), -1)
    chain[0], chain[-1] = np.eye(n)[0], np.eye(n)[-1]
    ratio = (1 - up) / up
    expected = (1 - ratio ** np.arange(n)) / (1 - ratio ** (n - 1))
    np.testing.assert_allclose(found(chain, codes_of(n, [0], [n - 1]))[:, 1], expected, atol=1e-6)


def test_cells_that_reach_no_state_have_no_fate():
    chain = np.zeros((6, 6))
    chain[0, [1, 2]] = 0.5  # may go to the end, or to cells that never come to one
    chain[1, 1] = 1
    chain[2, 3] = chain[3, 2] = 1
    chain[4, 0] = 1
    chain[5, 5] = 1
    result = found(chain, codes_of(6, [1]))
    np.testing.assert_array_equal(np.isnan(result[:, 0]), [False, False, True, True, False, True])
    np.testing.assert_array_equal(result[[0, 1, 4], 0], 1)


def test_reaching_follows_steps_of_any_number():
    n = 200
    chain = sparse.csr_array(sparse.diags_array([np.full(n - 1, 1.0)], offsets=[1]))
    target = np.zeros(n, dtype=bool)
    target[150] = True
    np.testing.assert_array_equal(reaching(chain, target), np.arange(n) <= 150)


def test_every_state_needs_a_cell(rng):
    chain = random_chain(rng)
    with pytest.raises(DataError, match="needs at least one cell"):
        found(chain, np.full(120, -1))
    with pytest.raises(DataError, match="needs at least one cell"):
        found(chain, codes_of(120, [0], [], [3]))


@pytest.mark.parametrize("direct", [10**6, 0])
def test_stop_ends_the_work(rng, direct, monkeypatch):
    monkeypatch.setattr(absorption, "DIRECT", direct)
    stop = threading.Event()
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        found(random_chain(rng), codes_of(120, [0], [1]), stop=stop)
