"""Scores of estimated betas against the true ones."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


def score(found, made, target):
    """Return the scores of one target.

    ``found`` is what a runner wrote; ``made`` what :func:`simulated.write_simulated` returned. Betas are judged in the
    fit of all cells (the first split that was run, where there is none), predictions in cells that a split hides.
    """
    order = [found["names"].index(name) for name in made.names]
    betas = {
        split: np.column_stack([table[:, 0], table[:, 1:][:, order]]).astype(np.float64)
        for (split, gene), table in found["betas"].items()
        if gene == target
    }
    truth = made.truth[target]
    judged = "all" if "all" in betas else next(iter(betas))
    result = beta_scores(betas[judged][:, 1:], truth.betas, truth.zero, made.x, made.codes)
    result["cpu"] = float(found["cpu"][judged, target])
    for split, table in betas.items():
        hidden = ~made.shown[split]
        if hidden.any():
            predicted = table[:, 0] + (table[:, 1:] * made.x).sum(axis=1)
            for name, values in (("r2", predicted), ("oracle", truth.signal)):
                y, codes = made.y[target][hidden], made.codes[hidden]
                result[f"{name}_{split}"] = r_squared(y, values[hidden])
                result[f"{name}_{split}_within"] = r_squared_within(y, values[hidden], codes)
    return result


def beta_scores(found, true, zero, x, codes):
    """Return correlations, sign accuracy and the ranking of (cells, modulators) betas."""
    active = np.flatnonzero(~zero)
    within = [
        np.mean([correlation(found[codes == c, k], true[codes == c, k]) for c in np.unique(codes)]) for k in active
    ]
    strength = np.sqrt((found**2).mean(axis=0)) * x.std(axis=0)
    return {
        "correlation": float(np.mean([correlation(found[:, k], true[:, k]) for k in active])),
        "within": float(np.mean(within)),
        "sign": float((np.sign(found[:, active]) == np.sign(true[:, active])).mean()),
        "auroc": float(roc_auc_score(~zero, strength)),
        "auprc": float(average_precision_score(~zero, strength)),
    }


def correlation(a, b):
    """Return Pearson's r; 0 where one of them does not vary."""
    if np.ptp(a) <= 1e-6 * np.abs(a).max() or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def r_squared(y, predicted):
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def r_squared_within(y, predicted, codes):
    """Return what is explained of the variance inside the types, all types together."""
    left = ((y - predicted) ** 2).sum()
    total = sum(((y[codes == c] - y[codes == c].mean()) ** 2).sum() for c in np.unique(codes))
    return float(1 - left / total)
