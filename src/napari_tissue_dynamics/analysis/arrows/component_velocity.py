"""Velocities in the space of the principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.arrows.inputs import comparable
from napari_tissue_dynamics.graph.components import leading_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.velocity_field import VelocityField

COMPONENTS = 10


@dataclass(frozen=True, slots=True, eq=False)
class ComponentVelocity:
    """Where the cells are in the principal components and how fast they move there.

    Parameters
    ----------
    scores
        (cells, components) float32, the places; their mean is 0.
    velocity
        (cells, components) float32, the change of the places per unit of time.
    """

    scores: NDArray[np.float32]
    velocity: NDArray[np.float32]


def component_velocity(field: VelocityField, number: int = COMPONENTS, *, seed: int = 0) -> ComponentVelocity:
    r"""Return the velocities in the leading principal components of the spliced moments.

    .. math:: z_i = W^\top (x_i - \bar x), \qquad \dot z_i = W^\top v_i

    with every gene of :math:`x` and :math:`v` in units of its largest moment. The components are linear in the
    moments, so nothing is lost but what lies outside of them. Genes that do not count (:attr:`.VelocityField.\
velocity_genes`) and genes whose velocity is not finite in all cells are excluded.

    Parameters
    ----------
    field
        The velocities.
    number
        Number of components; fewer where there are fewer cells or genes.
    seed
        Seed of the solver.

    Returns
    -------
    Places and velocities.

    Raises
    ------
    DataError
        If all cells are alike.
    """
    velocity, expression = comparable(field)
    kept = np.isfinite(velocity.sum(axis=0, dtype=np.float64))
    if field.velocity_genes is not None and (kept & field.velocity_genes).sum() > 1:
        kept &= field.velocity_genes
    if not kept.all():
        velocity, expression = velocity[:, kept], expression[:, kept]
    scores = leading_components(expression, number, seed=seed)
    # Scores are U S of the decomposition U S W': W follows from them and the centred values.
    size = np.maximum(np.einsum("nk,nk->k", scores, scores, dtype=np.float64), np.finfo(np.float32).tiny)
    centre = scores - scores.mean(axis=0)
    turn = (expression.T @ centre) / size.astype(np.float32)
    return ComponentVelocity(scores, np.ascontiguousarray(velocity @ turn, dtype=np.float32))
