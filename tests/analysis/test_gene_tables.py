"""Rates of genes and velocities in principal components."""

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows.component_velocity import component_velocity
from napari_tissue_dynamics.analysis.genes.gene_rates import gene_columns, gene_rates
from napari_tissue_dynamics.kinetic_models import KineticsConfig, fit
from napari_tissue_dynamics.simulators.branching import simulate_branching
from napari_tissue_dynamics.simulators.noise import Noise


def test_component_velocity_is_the_change_of_the_scores(field_of, rng):
    inside = rng.normal(size=(80, 3)) * [4, 2, 1]  # cells in a space of three dimensions
    moments, velocity = 20 + inside @ rng.normal(size=(3, 12)), rng.normal(size=(80, 12))
    found = component_velocity(field_of(velocity, moments), 3)
    scale = moments.max(axis=0)
    x, v = moments / scale, velocity / scale
    _, _, turn = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    scores, motion = (x - x.mean(axis=0)) @ turn[:3].T, v @ turn[:3].T
    sign = np.sign((found.scores * scores).sum(axis=0))
    np.testing.assert_allclose(found.scores * sign, scores, atol=1e-4)
    np.testing.assert_allclose(found.velocity * sign, motion, atol=1e-4)


def test_genes_that_do_not_count_have_no_part(field_of, rng):
    moments, velocity = rng.gamma(2.0, size=(2, 40, 6))
    counts = np.array([True, True, True, False, True, True])
    bad = velocity.copy()
    bad[3, 3] = np.nan
    found = component_velocity(field_of(bad, moments, velocity_genes=counts), 3)
    expected = component_velocity(field_of(velocity[:, counts], moments[:, counts]), 3)
    np.testing.assert_allclose(found.velocity, expected.velocity, rtol=1e-5)


def test_rates_that_differ_between_cells_are_given_by_their_median(field_of, rng):
    rates = {name: rng.gamma(2.0, size=(30, 5)).astype(np.float32) for name in ("alpha", "beta", "gamma")}
    found = gene_rates(field_of(np.ones((30, 5)), np.ones((30, 5)), **rates))
    for name, values in rates.items():
        np.testing.assert_allclose(found[name], np.median(values, axis=0))


def test_the_extreme_cells_say_what_transcription_holds_them(field_of):
    spliced = np.arange(40, dtype=float)[:, None] + np.zeros((1, 2))
    beta = np.broadcast_to(np.array([2.0, 3.0], np.float32), (40, 2))
    found = gene_rates(field_of(np.zeros((40, 2)), spliced, beta=beta, gamma=beta))
    np.testing.assert_allclose(found["alpha"], np.array([2.0, 3.0]) * 38.5)  # the mean of the top two cells
    nothing = gene_rates(field_of(np.zeros((40, 2)), spliced))
    assert all(np.isnan(values).all() for values in nothing.values())


@pytest.mark.parametrize("model", ["steady_state", "dynamical"])
def test_rates_follow_the_true_ones(model):
    true = simulate_branching(400, 60, noise=Noise(gaussian=0.0, sparsity=(0.0, 0.0)))
    field = fit(true.tissue, KineticsConfig(model=model, min_shared_counts=0))
    columns = gene_columns(field)
    at = [true.tissue.genes.index(gene) for gene in columns["gene"]]
    ratio = np.log(true.truth.gamma[0, at] / true.truth.beta[0, at])
    known = (columns["gamma"] > 0) & (columns["beta"] > 0)
    found = np.log(columns["gamma"][known].astype(float) / columns["beta"][known])
    assert np.corrcoef(found, ratio[known])[0, 1] > 0.7
    alpha = np.log(np.maximum(columns["alpha"], 1e-9)) - np.log(np.maximum(columns["beta"], 1e-9))
    top = np.log(true.truth.unspliced[:, at].max(axis=0))
    assert np.corrcoef(alpha[known], top[known])[0, 1] > 0.7
    assert len(set(columns)) == len(columns)
    assert all(len(values) == len(field.genes) for values in columns.values())
