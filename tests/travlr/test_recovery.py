"""Known regulation must come back, and must not come back when positions are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import r2_score

from napari_tissue_dynamics.data.io import ReadOptions, read_h5ad
from napari_tissue_dynamics.data.tissue import column
from napari_tissue_dynamics.simulators.tissue import simulate_tissue
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.priors.pairs import SECRETED
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork, build_network
from napari_tissue_dynamics.travlr.received_ligands import resolve_radius
from napari_tissue_dynamics.travlr.training import fit


def _correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1]) if np.std(a) > 0 else 0.0


def _recovered(tissue, truth, config):
    """Return the mean correlation of estimated and true coefficients, over all cells and within cell types."""
    network = RegulatoryNetwork(truth.regulators, truth.pairs)
    field = fit(tissue, truth.targets, network, config)
    overall, within = [], []
    for target, betas in truth.betas.items():
        for name, true in betas.items():
            found = field[target].beta(name)
            overall.append(_correlation(found, true))
            for code in np.unique(tissue.cell_types.codes):
                rows = tissue.cell_types.codes == code
                within.append(_correlation(found[rows], true[rows]))
    return float(np.mean(overall)), float(np.mean(within))


@pytest.mark.parametrize("estimator", ["smooth", pytest.param("network", marks=pytest.mark.slow)])
def test_known_coefficients_are_recovered(estimator):
    simulated = simulate_tissue(1500, 150, seed=0)
    truth = simulated.truth
    config = TravlrConfig(estimator=estimator, spatial_dim=8, scale_factor=truth.scale_factor)
    overall, within = _recovered(simulated.tissue, truth, config)
    assert overall >= 0.8
    assert within >= 0.7


@pytest.mark.parametrize("estimator", ["smooth", pytest.param("network", marks=pytest.mark.slow)])
def test_coefficients_of_misplaced_cells_are_not_recovered(estimator):
    simulated = simulate_tissue(600, 40, seed=0)
    tissue = simulated.tissue
    order = np.random.default_rng(0).permutation(tissue.n_cells)
    config = TravlrConfig(estimator=estimator, spatial_dim=8, epochs=30)
    misplaced = tissue.with_(positions=tissue.positions[order])
    _, within = _recovered(misplaced, simulated.truth, config)
    assert abs(within) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_known_coefficients_are_recovered_by_networks(seed):
    simulated = simulate_tissue(1500, 150, seed=seed)
    overall, within = _recovered(simulated.tissue, simulated.truth, TravlrConfig(estimator="network"))
    assert overall >= 0.8
    assert within >= 0.7


def _written_out(tissue, name, radius):
    """Return the (cells,) column of one modulator; pairs of this test are secreted."""
    parts = [column(tissue.expression, tissue.gene_index(gene)).astype(float) for gene in name.split("$")]
    if len(parts) == 1:
        return parts[0]
    distance = cdist(tissue.positions, tissue.positions)
    return np.exp(-(distance**2) / (2 * radius**2)) @ parts[0] / tissue.n_cells * parts[1]


@pytest.mark.shared_data
def test_betas_of_a_real_embryo_explain_what_the_fit_says_they_explain(shared_data):
    options = ReadOptions(cell_type="celltype_mapped_refined")
    tissue = read_h5ad(shared_data / "seqfish_mouse_embryo2_14891.h5ad", options)
    tissue = tissue.select_cells(np.arange(0, tissue.n_cells, 12))
    links = shared_data / "priors" / "dorothea_abc_mouse.csv.gz"
    pairs = shared_data / "priors" / "cellchatdb_mouse.csv"
    network = build_network(tissue.genes, ["Mef2c"], links=links, pairs=pairs)
    network = replace(network, pairs=[pair for pair in network.pairs if pair.signaling == SECRETED])
    config = TravlrConfig(spatial_dim=8, epochs=3, small_types="mean")
    found = fit(tissue, ["Mef2c"], network, config)["Mef2c"]
    assert found.modulators[:4] == ("Gata6", "Gfi1b", "Meis2", "Otx2")
    assert "Pdgfa$Pdgfra" in found.modulators
    observed = column(tissue.expression, tissue.gene_index("Mef2c"))
    predicted = found.betas[:, 0].astype(float)
    radius, _ = resolve_radius(tissue.positions, 0, 0)
    for name in found.modulators:
        predicted += found.beta(name) * _written_out(tissue, name, radius)
    explained = [r2 for r2 in found.fit_r2 if r2 >= 0.2]
    assert len(explained) >= 3
    labels = tissue.cell_types.values()
    for cluster, r2 in zip(found.clusters, found.fit_r2, strict=True):
        rows = labels == cluster
        if np.ptp(observed[rows]) > 0:
            assert r2 == pytest.approx(r2_score(observed[rows], predicted[rows]), abs=1e-4)
