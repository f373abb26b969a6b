"""A tissue whose cells move around a point, with expression that is a smooth map of the place."""

import numpy as np
import pytest

from napari_tissue_dynamics.data.velocity_field import VelocityField


@pytest.fixture
def field_of():
    """Return a field of a velocity and an expression."""

    def make(velocity, expression, **more):
        velocity, expression = velocity.astype(np.float32), expression.astype(np.float32)
        genes = tuple(f"g{i}" for i in range(velocity.shape[1]))
        return VelocityField(genes, velocity, velocity.copy(), expression, expression.copy(), **more)

    return make


@pytest.fixture
def turning(field_of):
    """Return positions, motion and the field of cells that turn around a point, with noise of any strength."""

    def make(n_cells=500, n_genes=200, noise=0.0, signal=1.0):
        rng = np.random.default_rng(7)
        positions = rng.uniform([0, 0], [30, 12], (n_cells, 2))
        motion = np.stack([-(positions[:, 1] - 4), positions[:, 0] - 11], axis=1)
        slopes, phases = rng.normal(size=(2, n_genes)) * 0.12, rng.uniform(0, 2 * np.pi, n_genes)
        angles = positions @ slopes + phases
        velocity = np.cos(angles) * (motion @ slopes)
        velocity = signal * velocity / velocity.std() + noise * rng.normal(size=velocity.shape)
        return positions, motion, field_of(velocity, 2 + np.sin(angles))

    return make
