"""The linear model of one cell type that the network starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_tissue_dynamics.travlr.nets.lasso import Penalties, sparse_group_lasso_steps
from napari_tissue_dynamics.travlr.nets.lasso_exact import exact_steps

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.nets.lasso import GroupScaling

Floats = NDArray[np.float64]


def seed_steps(
    x: Floats, y: Floats, groups: NDArray[np.integer], config: TravlrConfig, scaling: GroupScaling = "inverse"
) -> Generator[float, None, Floats]:
    """Fit the seed estimator of one cell type.

    Parameters
    ----------
    x
        (cells, modulators) float64.
    y
        (cells,) float64.
    groups
        (modulators,) group of each column.
    config
        Selects the estimator: the sparse group lasso, or scikit-learn's ``BayesianRidge`` or
        ``ARDRegression`` with their own defaults; the strength of the lasso never reaches ARD, whose threshold is a
        precision above which a coefficient counts as zero.
    scaling
        How the group penalty depends on the size of a group.

    Yields
    ------
    Share of the work that is done.

    Returns
    -------
    (1 + modulators,) intercept and coefficients; a single cell or no modulator leaves the mean.
    """
    if len(y) < 2 or x.shape[1] == 0:
        return mean_only(y, x.shape[1])
    if not config.published.standardize:
        return (yield from _estimate(x, y, groups, config, scaling))
    # A received ligand is a mean over the whole tissue and can be a thousand times smaller than a transcription
    # factor; on the raw scale the published iteration stops long before it has used it.
    spread = x.std(axis=0)
    spread[spread == 0] = 1.0
    found = yield from _estimate(x / spread, y, groups, config, scaling)
    found[1:] /= spread
    return found


def _estimate(
    x: Floats, y: Floats, groups: NDArray[np.integer], config: TravlrConfig, scaling: GroupScaling
) -> Generator[float, None, Floats]:
    if config.published.seed_estimator == "lasso":
        penalties = Penalties(config.published.threshold_lambda, config.published.l1_reg, scaling)
        if config.published.solver == "exact":
            found, _ = yield from exact_steps(x, y, groups, penalties)
            return found
        return (yield from sparse_group_lasso_steps(x, y, groups, penalties))
    from sklearn.linear_model import ARDRegression, BayesianRidge

    bayesian = config.published.seed_estimator == "bayesian"
    model = BayesianRidge() if bayesian else ARDRegression(threshold_lambda=config.published.ard_threshold)
    model.fit(x, y)
    return np.concatenate([[model.intercept_], model.coef_])


def mean_only(y: Floats, n_modulators: int) -> Floats:
    """Return coefficients that predict the mean and nothing else."""
    result = np.zeros(1 + n_modulators)
    result[0] = y.mean()
    return result


def r_squared(y: Floats, predicted: Floats) -> float:
    """Return 1 - residual / total sum of squares; a constant ``y`` has 1 when met exactly, else 0."""
    residual = float(((y - predicted) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total
