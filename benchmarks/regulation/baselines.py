"""Two classical models on one problem: ``python baselines.py --problem p.npz --method gwr --out r.npz``."""

import argparse
import time
from itertools import product

import numpy as np
from problem import add_runner_options, read_problem, write_result

# Share of the shown cells that settings are chosen by, and the most places a trial is made at.
CHOSEN_BY, TRIAL_PLACES = 0.2, 400
# Half waves of the cosines, and penalties, of the ridge.
WAVES, PENALTIES = (2, 3, 5), (0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
# Bandwidths in longest sides of the tissue, and the weight of cells of other types, of the local regressions.
BANDWIDTHS, OTHERS = (0.04, 0.06, 0.09, 0.13, 0.2, 0.3, 0.45), (1.0, 0.1, 0.0)
SMALLEST_PENALTY = 1e-3
PLACES_AT_ONCE = 256


def ridge(problem, y, shown, seed):
    """Betas that are a constant by type plus a cosine series over the tissue, by ridge regression.

    Number of half waves and penalty are those that predict a fifth of the shown cells best.
    """
    z, undo = standardized(problem.x, shown)
    types = indicator(problem)
    train, tried = trial(shown, seed)
    best = (np.inf,)
    for waves in WAVES:
        fields = np.column_stack([types, cosines(problem.positions, waves)])
        for penalty, weights in zip(PENALTIES, ridge_weights(fields, z, y, train, PENALTIES), strict=True):
            error = ((y[tried] - predicted(fields[tried], z[tried], weights)) ** 2).mean()
            if error < best[0]:
                best = (error, waves, penalty)
    fields = np.column_stack([types, cosines(problem.positions, best[1])])
    (weights,) = ridge_weights(fields, z, y, np.flatnonzero(shown), [best[2]])
    return undo(fields @ weights.T)


def ridge_weights(fields, z, y, rows, penalties):
    """Return (1 + modulators, fields) weights by penalty; the constants by type of the intercept are free."""
    wide = (z[rows, :, None] * fields[rows, None, :]).reshape(len(rows), -1)
    gram, cross = wide.T @ wide, wide.T @ y[rows]
    bound = np.ones(len(gram))
    bound[: fields.shape[1]][np.abs(fields).min(axis=0) == 0] = 1e-6
    return [
        np.linalg.solve(gram + penalty * np.diag(bound), cross).reshape(z.shape[1], fields.shape[1])
        for penalty in penalties
    ]


def predicted(fields, z, weights):
    return ((fields @ weights.T) * z).sum(axis=1)


def cosines(positions, waves):
    """Return products of cosines over the bounding box, without the constant."""
    place = (positions - positions.min(axis=0)) / np.ptp(positions, axis=0)
    return np.column_stack(
        [
            np.cos(np.pi * a * place[:, 0]) * np.cos(np.pi * b * place[:, 1])
            for a, b in product(range(waves + 1), repeat=2)
            if 0 < a + b <= waves
        ]
    )


def gwr(problem, y, shown, seed):
    """Geographically weighted regression: at every cell a regression of its own, with Gaussian weights over space.

    Bandwidth, and how much cells of other types count, are those that predict shown cells best.
    """
    z, undo = standardized(problem.x, shown)
    columns = np.column_stack([indicator(problem), z[:, 1:]]).astype(np.float32)
    place = problem.positions / np.ptp(problem.positions, axis=0).max()
    train, tried = trial(shown, seed)
    tried = tried[:TRIAL_PLACES]
    errors = {
        (bandwidth, other): (
            (y[tried] - local_predictions(columns, y, place, problem.codes, train, tried, bandwidth, other)) ** 2
        ).mean()
        for bandwidth, other in product(BANDWIDTHS, OTHERS)
    }
    bandwidth, other = min(errors, key=errors.get)
    everywhere = np.arange(len(y))
    local = local_weights(columns, y, place, problem.codes, np.flatnonzero(shown), everywhere, bandwidth, other)
    types = len(problem.types)
    return undo(np.column_stack([local[everywhere, problem.codes], local[:, types:]]))


def local_predictions(columns, y, place, codes, rows, at, bandwidth, other):
    weights = local_weights(columns, y, place, codes, rows, at, bandwidth, other)
    return (weights * columns[at]).sum(axis=1)


def local_weights(columns, y, place, codes, rows, at, bandwidth, other):
    """Return the (places, columns) coefficients of weighted regressions on ``rows`` around the cells ``at``."""
    width = columns.shape[1]
    upper = np.triu_indices(width)
    squares = columns[rows][:, upper[0]] * columns[rows][:, upper[1]]
    cross = columns[rows] * y[rows, None].astype(np.float32)
    result = np.empty((len(at), width))
    for start in range(0, len(at), PLACES_AT_ONCE):
        some = at[start : start + PLACES_AT_ONCE]
        squared = ((place[some, None] - place[rows]) ** 2).sum(axis=2)
        weight = np.exp(squared / (-2 * bandwidth**2)) * np.where(codes[some, None] == codes[rows], 1.0, other)
        weight = weight.astype(np.float32)
        gram = np.empty((len(some), width, width))
        gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = weight @ squares
        gram += np.eye(width) * (SMALLEST_PENALTY * weight.sum(axis=1, dtype=np.float64) + 1e-9)[:, None, None]
        result[start : start + len(some)] = np.linalg.solve(gram, (weight @ cross).astype(np.float64)[:, :, None])[
            :, :, 0
        ]
    return result


def standardized(x, shown):
    """Return a column of ones and the centred, scaled columns, and what gives betas of the columns as they are."""
    center, spread = x[shown].mean(axis=0, dtype=np.float64), x[shown].std(axis=0, dtype=np.float64)

    def undo(betas):
        slopes = betas[:, 1:] / spread
        return np.column_stack([betas[:, 0] - slopes @ center, slopes])

    return np.column_stack([np.ones(len(x)), (x - center) / spread]), undo


def indicator(problem):
    return np.eye(len(problem.types))[problem.codes]


def trial(shown, seed):
    """Return shown cells to fit with and shown cells to choose by."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(shown))
    part = round(CHOSEN_BY * len(rows))
    return rows[part:], rows[:part]


METHODS = {"ridge": ridge, "gwr": gwr}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_runner_options(parser)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    problem = read_problem(options.problem)
    betas, cpu = {}, {}
    for split in options.splits:
        for target in problem.targets[: options.targets]:
            start = time.process_time()
            betas[split, target] = METHODS[options.method](
                problem, problem.y(target), problem.shown[split], options.seed
            ).astype(np.float32)
            cpu[split, target] = time.process_time() - start
    write_result(options.out, problem.names, betas, cpu, 0.0)


if __name__ == "__main__":
    main()
