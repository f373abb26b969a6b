r"""Tests of whether the counts support the direction of a velocity; both have to be passed.

*Pairing.* The spliced RNA of a gene follows the gene's own unspliced RNA, forward in time. For genes that the time was
not read from, :math:`D_g = R^2_g(\text{forward}) - R^2_g(\text{backward})` says how much better the splicing equation
with rates of 0 or above explains the steps of a gene in time than in the mirrored time. The same is found for genes
that were given the unspliced RNA of another gene, which is as smooth and as strong but does not belong to them.

*Lag.* Unspliced RNA leads: it must say better where the spliced RNA goes than other spliced counts of the same cells
do. Spliced counts are divided at random into two halves; the second half takes the place of the unspliced RNA, at equal
depth. Data in which unspliced RNA is a constant share of the RNA pass the first test and fail this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.graph.counts import cell_sizes, even_roots, median_size, times_rows
from napari_tissue_dynamics.kinetics.phase_line import fit_line
from napari_tissue_dynamics.kinetics.prepare import choose_counts, see
from napari_tissue_dynamics.kinetics.shared_time import Pairs, of_functions, read_shared_time
from napari_tissue_dynamics.kinetics.smooth import SmoothValues, smooth
from napari_tissue_dynamics.kinetics.two_rate_fit import gain, two_rates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_evidence import Verdict
    from napari_tissue_dynamics.kinetics.config import ClockConfig
    from napari_tissue_dynamics.kinetics.prepare import Counts, Seen
    from napari_tissue_dynamics.kinetics.shared_time import FunctionSums

SPLITS = 3
EXCHANGES = 30
HALVES = np.sqrt(2)
# On seeds that no rule was chosen on, 61 of 63 simulated tissues with a direction pass both limits and 47 of
# 48 controls fail one; two kinds of tissue pass with a wrong direction (docs/velocity-benchmark.md says which, and
# what of this is not independent).
SUPPORTED, WEAK = (3.0, 2.5), (2.5, 2.0)
# Of a reversed time both are negative; pairing alone may be so by chance of one exchange of genes.
CONTRADICTED, LAG_OF_CONTRADICTED = -3.0, 2.0
# Below this, the two kinds of RNA of a cell do not belong to the same cell.
SAME_CELLS = 5.0
# A larger share of unspliced RNA than in any common protocol; the layers may have been exchanged, which no test sees.
MOSTLY_UNSPLICED = 0.6
CAUTION = (
    "{share:.0%} of the counts are unspliced, more than usual: if the two layers were exchanged, the direction is "
    "reversed, and no test can see that."
)
FEWEST_CELLS, FEWEST_GENES = 50, 10
MOST_CELLS = 20_000
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """What the tests are made on.

    Parameters
    ----------
    counts, seen
        Counts, moments and smooth functions.
    pairs
        Neighboring cells.
    slope
        (G,) slopes of the phase portraits.
    regime
        (n,) codes of the kinetic regimes.
    samples
        (n,) code of the sample of every cell, None if there is one.
    time
        (n,) the time under test, or None to read times from parts of the genes.
    seed
        Seed of parts, exchanges and thinning.
    """

    counts: Counts
    seen: Seen
    pairs: Pairs
    slope: NDArray[np.float64]
    regime: NDArray[np.intp]
    samples: NDArray[np.integer] | None
    time: NDArray[np.float64] | None
    seed: int

    @classmethod
    def of(
        cls,
        counts: Counts,
        seen: Seen,
        regime: NDArray[np.intp],
        config: ClockConfig,
        *,
        samples: NDArray[np.integer] | None = None,
        time: NDArray[np.floating] | None = None,
    ) -> Tested:
        """Take at most 20 000 of the cells, drawn at random; more do not change a verdict."""
        n = len(regime)
        if n > MOST_CELLS:
            some = np.sort(np.random.default_rng(config.seed).choice(n, MOST_CELLS, replace=False))
            counts, regime = counts.of_cells(some), regime[some]
            samples = None if samples is None else samples[some]
            time = None if time is None else time[some]
            seen = see(counts, config)
        pairs = Pairs.of(seen.graph, seen.smooth_spliced.basis, samples)
        slope = fit_line(seen.unspliced, seen.spliced, config).slope
        exact = None if time is None else np.asarray(time, dtype=np.float64)
        return cls(counts, seen, pairs, slope, regime, samples, exact, config.seed)


def find_evidence(tested: Tested, names: Sequence[str] = ()) -> VelocityEvidence:
    """Test whether the counts support a direction.

    Parameters
    ----------
    tested
        Counts, moments, regimes and the time, if that is given.
    names
        Names of the samples, by their codes; each sample is also tested alone.

    Returns
    -------
    The verdict and what it rests on; ``none`` for fewer than 50 cells or 10 genes.
    """
    n, n_genes = tested.seen.spliced.shape
    if n < FEWEST_CELLS or n_genes < FEWEST_GENES:
        return VelocityEvidence("none", 0.0, 0.0, caution=f"{n} cells and {n_genes} genes are too few to test it.")
    number = int(tested.regime.max()) + 1
    regimes = [tested.regime == code for code in range(number)] if number > 1 else []
    # Cells without a sample have the code -1.
    present = [] if tested.samples is None else np.unique(tested.samples[tested.samples >= 0]).tolist()
    samples = [tested.samples == code for code in present] if len(present) > 1 else []
    together = same_cells(tested)
    found = _both_tests(tested, [*regimes, *samples])
    limit = together if together < SAME_CELLS else np.inf
    pairing = [min(z, limit) for z, _ in found]
    verdicts = [_verdict(z, lag) for z, (_, lag) in zip(pairing, found, strict=True)]
    return VelocityEvidence(
        verdict=verdicts[0],
        pairing_z=round(pairing[0], 2),
        lag_z=round(found[0][1], 2),
        regime_z=tuple(round(z, 2) for z in pairing[1 : 1 + len(regimes)]),
        samples={names[code]: each for code, each in zip(present, verdicts[1 + len(regimes) :], strict=False)},
        caution=_caution(tested.counts),
    )


def same_cells(tested: Tested) -> float:
    """Return whether the unspliced and the spliced counts of a cell belong together, in standard deviations.

    The correlation of both square roots within cells, averaged over the genes, is compared with that of cells whose
    unspliced counts are those of another cell.
    """
    unspliced, spliced = (even_roots(each) for each in tested.counts.scaled())
    rng = np.random.default_rng(tested.seed)

    def agreement(order: NDArray[np.intp]) -> float:
        return float(sparse.csr_array(unspliced[order]).multiply(spliced).sum())

    n = unspliced.shape[0]
    chance = np.array([agreement(rng.permutation(n)) for _ in range(EXCHANGES)])
    return float((agreement(np.arange(n)) - chance.mean()) / max(chance.std(ddof=1), TINY))


def _both_tests(tested: Tested, parts: Sequence[NDArray[np.bool_]]) -> list[tuple[float, float]]:
    """Return the two z of all cells and of every part of them."""
    rng = np.random.default_rng(tested.seed)
    whole = tested.pairs.within(tested.regime)
    inside = [whole, *(whole.only(cells) for cells in parts)]
    pairings: list[list[float]] = [[] for _ in inside]
    lags: list[list[float]] = [[] for _ in inside]
    u, s = tested.seen.smooth_unspliced, tested.seen.smooth_spliced
    weight = _signal(s)
    for _ in range(SPLITS):
        thinned = thinned_layers(tested.counts, s.basis, rng)
        for genes, time in _times(tested, rng):
            exchanges = [np.arange(len(genes)), *(_deranged(len(genes), rng) for _ in range(EXCHANGES))]
            (u_own, s_own), (lead, half, rest) = _of(u, s, genes=genes), _of(*thinned, genes=genes)
            for pairs, pairing, lag in zip(inside, pairings, lags, strict=True):
                sums = function_sums(pairs, tested.regime, time)
                pairing.append(_pairing(u_own, s_own, sums, exchanges, weight[genes]))
                ahead = forward_gain(lead, half, sums) - forward_gain(rest, half, sums)
                lag.append(_standard_errors(ahead, weight[genes]))
    # Both halves of the genes are tested in every split, and together they are as many as all genes.
    return [
        (float(np.mean(pairing)), float(HALVES * np.mean(lag))) for pairing, lag in zip(pairings, lags, strict=True)
    ]


def _signal(values: SmoothValues) -> NDArray[np.float64]:
    """Return the weight of every gene, (G,): the root of its variance over cells in units of its noise.

    Of many genes most have hardly any signal; with one vote each they outvote those that show a direction.
    """
    return np.sqrt((values.coefficients[1:] ** 2).sum(axis=0) / values.noise)


def _times(tested: Tested, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Yield genes to be tested and a time that was read from the others."""
    n_genes = len(tested.slope)
    order = rng.permutation(n_genes)
    one, other = np.sort(order[: n_genes // 2]), np.sort(order[n_genes // 2 :])
    for reading, testing in ((one, other), (other, one)):
        if tested.time is not None:
            yield testing, tested.time
            continue
        u, s = (each.of_genes(reading) for each in (tested.seen.smooth_unspliced, tested.seen.smooth_spliced))
        yield testing, read_shared_time(u, s, tested.pairs, tested.slope[reading]).time


def function_sums(pairs: Pairs, regime: NDArray[np.intp], time: NDArray[np.float64]) -> list[FunctionSums]:
    """Return the sums over the pairs of every regime; pairs join cells of one regime."""
    elapsed, code = time[pairs.second] - time[pairs.first], regime[pairs.first]
    return [pairs.only(regime == each).sums(elapsed[code == each]) for each in np.unique(code)]


def forward_gain(u: NDArray[np.float64], s: NDArray[np.float64], sums: Sequence[FunctionSums]) -> NDArray[np.float64]:
    """Return how much more of the steps rates of 0 or above explain forward in time than backward, (G,), -1 to 1.

    Parameters
    ----------
    u, s
        (m, G) coefficients of the smooth functions.
    sums
        Sums over the pairs of every regime; each has rates of its own.
    """
    difference, total, none = np.zeros((3, u.shape[1]))
    for each in sums:
        forward = of_functions(u, s, each)
        backward = replace(forward, ud=-forward.ud, sd=-forward.sd)
        difference += gain(forward, *two_rates(forward, none, none)) - gain(backward, *two_rates(backward, none, none))
        total += forward.dd
    return np.divide(difference, total, out=np.zeros_like(total), where=total > TINY)


def _of(*layers: SmoothValues, genes: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    return [each.coefficients[:, genes] for each in layers]


def _pairing(
    u: NDArray[np.float64],
    s: NDArray[np.float64],
    sums: Sequence[FunctionSums],
    exchanges: Sequence[NDArray[np.intp]],
    weight: NDArray[np.float64],
) -> float:
    """Return the weighted mean rank of the genes with their own unspliced RNA among exchanged ones, as a z."""
    found = np.stack([forward_gain(u[:, order], s, sums) for order in exchanges])
    ranks = np.argsort(np.argsort(found, axis=0, kind="stable"), axis=0, kind="stable") @ weight / weight.sum()
    return float((ranks[0] - ranks[1:].mean()) / max(float(ranks[1:].std(ddof=1)), TINY))


def _deranged(number: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return an order in which nothing stays in its place."""
    order = rng.permutation(number)
    result = np.empty(number, dtype=np.intp)
    result[order] = np.roll(order, 1)
    return result


def thinned_layers(
    counts: Counts, basis: NDArray[np.float64], rng: np.random.Generator
) -> tuple[SmoothValues, SmoothValues, SmoothValues]:
    """Return unspliced RNA, one half of the spliced RNA and the other half, the first and the last equally deep.

    Every layer is divided by the totals of its own counts: a share of unspliced RNA that drifts over cells would look
    like a lag otherwise. Parts are drawn count by count (binomial thinning).
    """
    half = _drawn(counts.spliced, 0.5, rng)
    rest = sparse.csr_array(counts.spliced - half)
    of_u, of_s = (np.asarray(each.sum(axis=0, dtype=np.float64)).ravel() for each in (counts.unspliced, rest))
    fewer = np.minimum(of_u, of_s)
    layers = (
        _drawn(counts.unspliced, np.divide(fewer, of_u, out=np.zeros_like(of_u), where=of_u > 0), rng),
        half,
        _drawn(rest, np.divide(fewer, of_s, out=np.zeros_like(of_s), where=of_s > 0), rng),
    )
    scaled = []
    for layer in layers:
        sizes = cell_sizes(layer)
        scaled.append(
            times_rows(layer, np.divide(median_size(sizes), sizes, out=np.zeros_like(sizes), where=sizes > 0))
        )
    first, second, third = smooth(scaled, basis)
    return first, second, third


def _drawn(counts: sparse.csr_array, share: float | NDArray[np.float64], rng: np.random.Generator) -> sparse.csr_array:
    """Return a random part of the counts, with a share for all genes or one for every gene."""
    of_value = np.broadcast_to(np.clip(share, 0, 1), counts.shape[1:])[counts.indices]
    data = np.asarray(counts.data, dtype=np.float64)
    # Values that are no counts (simulations, corrected counts) are divided with the same mean and variance.
    whole = np.floor(data)
    drawn = rng.binomial(whole.astype(np.int64), of_value) + (data - whole) * of_value
    return sparse.csr_array((drawn.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)


def _standard_errors(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return the weighted mean over genes in standard errors."""
    mean = float(weight @ values / weight.sum())
    error = np.sqrt(weight**2 @ (values - mean) ** 2) / weight.sum()
    return mean / max(float(error), TINY)


def _verdict(pairing: float, lag: float) -> Verdict:
    if pairing <= CONTRADICTED and abs(lag) >= LAG_OF_CONTRADICTED:
        return "contradicted"
    for verdict, (least_pairing, least_lag) in (("supported", SUPPORTED), ("weak", WEAK)):
        if pairing >= least_pairing and lag >= least_lag:
            return verdict  # type: ignore[return-value]
    return "none"


def _caution(counts: Counts) -> str:
    unspliced, spliced = float(counts.unspliced.sum()), float(counts.spliced.sum())
    share = unspliced / max(unspliced + spliced, TINY)
    return CAUTION.format(share=share) if share > MOSTLY_UNSPLICED else ""


def evidence_of_time(
    tissue: Tissue, time: NDArray[np.floating], regime: NDArray[np.integer] | None, config: ClockConfig
) -> VelocityEvidence:
    """Test the direction of a time that another method found; see :func:`find_evidence`.

    Parameters
    ----------
    tissue
        Cells with spliced and unspliced counts.
    time
        (n,) the time.
    regime
        (n,) codes of groups with rates of their own, None if there are none.
    config
        Settings of genes and moments.
    """
    counts = choose_counts(tissue, config)
    codes = np.zeros(tissue.n_cells, dtype=np.intp) if regime is None else np.unique(regime, return_inverse=True)[1]
    sections = tissue.sections
    tested = Tested.of(
        counts, see(counts, config), codes, config, samples=None if sections is None else sections.codes, time=time
    )
    return find_evidence(tested, () if sections is None else sections.categories)
