"""Prior from the splicing equation, before the network is trained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.steer.prior.curvature_prior import split_clusters
from napari_tissue_dynamics.steer.prior.regimes import find_regimes, kinetic_residuals, number_of_regimes
from napari_tissue_dynamics.steer.prior.splicing_clock import Clock, clock_steps

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.progress import Progress, StopToken
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.steer.preprocessing import Prepared, Scale

LOWEST_SHARE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Time, regimes and rates that a network is trained around.

    Parameters
    ----------
    time, spread
        (n,) float32 latent time in [0, 1] and its standard deviation over draws of the genes.
    probability
        (n, K) float32 probability of each kinetic regime.
    clusters
        (n,) int64 fine cluster of every cell; each lies inside a regime.
    trend
        (clusters, G) float32 correlation of unspliced RNA with time inside each cluster: above zero where a gene
        goes up.
    units
        (K, G, 3) float32 rates of transcription (at the largest u), splicing and degradation.
    ratio
        (G,) float32 what u was divided by over what s was divided by.
    weight
        (G,) float32 how much each gene counts, 1 on average.
    """

    time: NDArray[np.float32]
    spread: NDArray[np.float32]
    probability: NDArray[np.float32]
    clusters: NDArray[np.int64]
    trend: NDArray[np.float32]
    units: NDArray[np.float32]
    ratio: NDArray[np.float32]
    weight: NDArray[np.float32]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Known:
        """Take it from among ``arrays``."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def know_steps(
    seen: Prepared,
    scale: Scale,
    config: SteerConfig,
    prior: NDArray[np.floating] | None = None,
    stop: StopToken | None = None,
) -> Generator[Progress, None, tuple[Known, NDArray[np.intp]]]:
    """Find time and regimes, and the genes to train on.

    Parameters
    ----------
    seen
        Moments and graph.
    scale
        What the moments were divided by.
    config
        Number of experts and of genes, size of the clusters, seed.
    prior
        (n,) a time that is known or guessed, NaN where it is not; see :func:`.clock.clock_steps`.
    stop
        Looked at in every round.

    Returns
    -------
    Prior of the kept genes, and their columns in ``seen``, ascending: those whose change between
    neighboring cells the clock explains best.
    """
    first = yield from clock_steps(seen.u, seen.s, seen.graph, prior=prior, seed=config.seed, stop=stop)
    residuals = kinetic_residuals(first.time, seen.unspliced, seen.spliced)
    number = config.n_experts or number_of_regimes(residuals, config.seed)
    probability = find_regimes(residuals, first.time, number, config.seed)
    del residuals
    code = probability.argmax(axis=1)
    last = first
    if number > 1:
        last = yield from clock_steps(seen.u, seen.s, seen.graph, group=code, prior=prior, seed=config.seed, stop=stop)
    best = np.argsort(-last.agreement, kind="stable")[: config.keep_genes]
    genes = np.sort(best)
    clusters = split_clusters(seen.components, code, config.fine_cluster_size, config.seed).astype(np.int64)
    ratio = scale.ratio[genes]
    known = Known(
        time=last.time,
        spread=last.spread,
        probability=probability,
        clusters=clusters,
        trend=_trend(last.time, seen.u[:, genes], clusters),
        units=_units(last, genes, ratio, number),
        ratio=ratio,
        weight=_votes(last.weight[genes] * last.agreement[genes]),
    )
    return known, genes


def _votes(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return weights with mean one; all one where there are none."""
    mean = float(weight.mean())
    return weight / np.float32(mean) if mean > 0 else np.ones_like(weight)


def _units(clock: Clock, genes: NDArray[np.intp], ratio: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return the rates that every expert starts from; none is zero, so that training can raise it.

    The clock knows splicing in units of s; over the ratio of the scales it is that of u. Transcription that holds the
    largest u steady is as large as splicing.
    """
    made, gamma = (np.broadcast_to(each, (number, each.shape[1]))[:, genes] for each in (clock.beta, clock.gamma))
    made, gamma = (np.maximum(each, LOWEST_SHARE * max(float(np.median(each)), LOWEST_SHARE)) for each in (made, gamma))
    beta = made / ratio
    return np.ascontiguousarray(np.stack([beta, beta, gamma], axis=-1), dtype=np.float32)


def _trend(time: NDArray[np.float32], u: NDArray[np.float32], clusters: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (clusters, G) correlations of u with time."""
    number = int(clusters.max()) + 1
    result = np.zeros((number, u.shape[1]), dtype=np.float32)
    for code in range(number):
        cells = clusters == code
        t, y = time[cells] - time[cells].mean(), u[cells] - u[cells].mean(axis=0)
        size = np.sqrt((t @ t) * np.einsum("ng,ng->g", y, y))
        result[code] = np.divide(t @ y, size, out=np.zeros_like(size), where=size > 0)
    return result
