"""The simulated regulation against slow loops and the tables of known pairs."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial import cKDTree

from napari_tissue_dynamics.simulators.regulation import received
from napari_tissue_dynamics.simulators.tissue import simulate_tissue

NEIGHBORS = 30


@pytest.fixture(scope="module")
def simulated():
    return simulate_tissue()


def expression_of(tissue, gene):
    return np.asarray(tissue.expression[:, tissue.gene_index(gene)], dtype=np.float64)


def column_of(tissue, truth, modulator):
    """Return what a modulator contributes before its coefficient, with a plain sum for the ligand."""
    if "$" not in modulator:
        return expression_of(tissue, modulator)
    ligand, receptor = (expression_of(tissue, gene) for gene in modulator.split("$"))
    reached = [
        sum(np.exp(-((here - tissue.positions) ** 2).sum(axis=1) / (2 * truth.radius**2)) * ligand)
        for here in tissue.positions
    ]
    return truth.scale_factor / tissue.n_cells * np.array(reached) * receptor


def test_received_ligand_equals_a_slow_loop():
    rng = np.random.default_rng(0)
    positions, ligand = rng.uniform(1000, 1100, (23, 2)), rng.random(23)
    loop = np.zeros(23)
    for i in range(23):
        for j in range(23):
            d2 = sum((positions[i, k] - positions[j, k]) ** 2 for k in range(2))
            loop[i] += 3.0 / 23 * np.exp(-d2 / (2 * 20.0**2)) * ligand[j]
    assert_allclose(received(ligand, positions, 20.0, 3.0), loop, rtol=1e-9)


def test_received_ligand_does_not_depend_on_blocks_columns_or_far_cells(monkeypatch):
    rng = np.random.default_rng(1)
    positions, ligands = rng.uniform(0, 100, (50, 2)), rng.random((50, 2))
    monkeypatch.setattr("napari_tissue_dynamics.simulators.regulation.BLOCK", 7)
    distance2 = ((positions[:, None] - positions) ** 2).sum(axis=2)
    whole = np.exp(-distance2 / (2 * 4.0**2)) @ ligands / 50
    assert_allclose(received(ligands, positions, 4.0), whole, rtol=1e-12)
    assert_allclose(received(ligands[:, 1], positions, 4.0), whole[:, 1], rtol=1e-12)


def test_radius_is_eight_neighbor_distances(simulated):
    positions = simulated.tissue.positions
    nearest = [np.sort(np.linalg.norm(positions - here, axis=1))[1] for here in positions]
    assert simulated.truth.radius == pytest.approx(8 * np.median(nearest))


def test_targets_follow_from_the_true_coefficients(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    assert len(truth.targets) == 3
    for target in truth.targets:
        effects = {name: beta * column_of(tissue, truth, name) for name, beta in truth.betas[target].items()}
        y = expression_of(tissue, target)
        residual = y - truth.intercepts[target] - sum(effects.values())
        assert 0.87 < 1 - residual.var() / y.var() < 0.96
        assert abs(residual.mean()) < 0.02
        spreads = [effect.std() for effect in effects.values()]
        assert max(spreads) < 4 * min(spreads)
        assert sum("$" in name for name in effects) == 1


def test_coefficients_vary_threefold_with_one_sign_in_every_type(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    for target in truth.targets:
        for beta in truth.betas[target].values():
            assert np.abs(np.sign(beta).sum()) == tissue.n_cells
            for kind in range(3):
                size = np.abs(beta[tissue.cell_types.codes == kind])
                assert size.max() / size.min() > 3
                assert size.max() < 2 * size.mean()


def test_decoys_are_offered_and_have_no_coefficient(simulated):
    truth = simulated.truth
    for target in truth.targets:
        decoys = set(truth.regulators[target]) - set(truth.betas[target])
        assert 1 <= len(decoys) <= 2
        assert {name for name in truth.betas[target] if "$" not in name} < set(truth.regulators[target])
        assert all(gene in simulated.tissue.genes for gene in truth.regulators[target])


def test_regulators_vary_beyond_position(simulated):
    tissue, truth = simulated.tissue, simulated.truth
    near = cKDTree(tissue.positions).query(tissue.positions, k=NEIGHBORS)[1]
    for gene in {name for names in truth.regulators.values() for name in names}:
        x = expression_of(tissue, gene)
        assert x[near].var(axis=1).mean() > 0.5 * x.var()


@pytest.mark.skipif(importlib.util.find_spec("liana") is None, reason="the extra ligand-receptor is not installed")
def test_pairs_are_the_only_known_pairs_of_the_tissue(simulated):
    table = Path(importlib.util.find_spec("liana").origin).parent / "resource" / "omni_resource.csv"
    genes = set(simulated.tissue.genes)
    found = set()
    with table.open() as lines:
        for row in csv.DictReader(lines):
            if row["resource"] == "mouseconsensus":
                ligands, receptors = (row[f"{end}_genesymbol"].split("_") for end in ("source", "target"))
                found |= {(a, b) for a in ligands for b in receptors if a in genes and b in genes}
    assert found == {pair[:2] for pair in simulated.truth.pairs}
