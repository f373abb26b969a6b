"""Does smoothing counts before a fit help to find known coefficients? Counts of several depths, three types.

``own`` is the share of a gene's variation that is its own; the rest comes from eight programmes that all genes share,
which is what smoothing over similar cells lives on.
"""

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data.tissue import Labels, Tissue
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
from napari_tissue_dynamics.travlr.training import fit

CELLS, GENES, TYPES, FACTORS, DECOYS, SEEDS = 1200, 200, 3, 3, 3, 2
NAMES = tuple(f"G{k}" for k in range(GENES))
TARGETS = (GENES - 3, GENES - 2, GENES - 1)


def simulated(seed, own, depth):
    """Return the tissue with counts, the same without noise, and the coefficients of each target."""
    rng = np.random.default_rng(seed)
    positions, types = rng.uniform(0, 100, (CELLS, 2)), rng.integers(0, TYPES, CELLS)
    programmes = rng.normal(size=(CELLS, 8))
    programmes[:, :4] = np.sin(positions @ rng.normal(0, 1 / 30, (2, 4)) + rng.uniform(0, 6, 4))
    level = rng.normal(0.3, 0.4, (TYPES, GENES))[types]
    level += np.sqrt(1 - own) * programmes @ rng.normal(0, 0.35, (8, GENES))
    level += 0.9 * np.sqrt(own) * rng.normal(size=level.shape)
    expression = np.log1p(np.exp(level))
    betas = {}
    for k, target in enumerate(TARGETS):
        signal = np.full(CELLS, 0.3)
        for j in range(FACTORS):
            slope = (0.45 + 0.4 * np.sin(positions[:, j % 2] / 20 + k + j)) * (1 + 0.4 * (types - 1) * (j - 1))
            betas[target, j] = slope if j < 2 else -0.5 * slope
            signal += betas[target, j] * expression[:, j]
        expression[:, target] = np.maximum(signal + 0.15 * rng.normal(size=CELLS), 0)
    size = depth * rng.lognormal(0, 0.3, (CELLS, 1))
    counts = sparse.csr_array(rng.poisson(np.expm1(expression) * size).astype(np.float32))
    labels = Labels("type", types.astype(np.int32), tuple("abc"))
    tissue = Tissue(tuple(map(str, range(CELLS))), NAMES, positions, spliced=counts, cell_types=labels)
    return tissue, tissue.with_(expression=expression.astype(np.float32)), betas


def correlation(tissue, betas, *, impute):
    """Return the mean correlation of found and true coefficients over the cells."""
    tfs = NAMES[: FACTORS + DECOYS]
    network = RegulatoryNetwork({NAMES[target]: tfs for target in TARGETS})
    config = TravlrConfig(impute=impute, held_out=False, permutations=0, score_threshold=-1e9)
    field = fit(tissue, [NAMES[target] for target in TARGETS], network, config)
    found = [np.corrcoef(field[NAMES[target]].beta(NAMES[j]), true)[0, 1] for (target, j), true in betas.items()]
    return float(np.nan_to_num(found).mean())


def main():
    print("own   counts per gene   without noise   counts   counts, smoothed")
    for own in (0.05, 0.3, 0.8):
        for depth in (0.1, 1.0, 5.0):
            scores = []
            for seed in range(SEEDS):
                tissue, clean, betas = simulated(seed, own, depth)
                several = ((clean, False), (tissue, False), (tissue, True))
                scores.append([correlation(one, betas, impute=impute) for one, impute in several])
            mean = float(tissue.spliced.mean())
            print(f"{own:<5} {mean:<17.1f} {'   '.join(f'{value:<12.2f}' for value in np.mean(scores, axis=0))}")


if __name__ == "__main__":
    main()
