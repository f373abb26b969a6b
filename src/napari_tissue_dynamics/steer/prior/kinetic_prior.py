"""Prior from the splicing equation, before the network is trained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.kinetics.config import ClockConfig
from napari_tissue_dynamics.steer.prior.curvature_prior import split_clusters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.kinetics.foundation import Foundation
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.steer.preprocessing import Prepared, Scale

LOWEST_SHARE = 0.05
FEWEST_NEIGHBORS = 3
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Time, regimes and rates that a network is trained around.

    Parameters
    ----------
    time
        (n,) float32 latent time in [0, 1].
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


def clock_settings(config: SteerConfig) -> ClockConfig:
    """Return the settings of the clock in a fit with these settings."""
    return ClockConfig(
        n_neighbors=max(config.smooth_neighbors, FEWEST_NEIGHBORS),
        min_shared_counts=config.min_shared_counts,
        n_top_genes=config.n_genes,
        n_regimes=0 if config.faithful else config.n_experts,
        seed=config.seed,
    )


def know(foundation: Foundation, seen: Prepared, scale: Scale, config: SteerConfig) -> tuple[Known, NDArray[np.intp]]:
    """Return what a network is told before it is trained, and the genes to train on.

    Parameters
    ----------
    foundation
        The clock.
    seen
        Moments of the same genes as the network takes them.
    scale
        What these were divided by.
    config
        Number of genes, size of the clusters, seed.

    Returns
    -------
    Prior of the kept genes, and their columns in ``seen``, ascending: those whose change between neighboring cells the
    clock explains best.
    """
    clock = foundation.clock
    genes = np.sort(np.argsort(-clock.agreement, kind="stable")[: config.keep_genes])
    clusters = split_clusters(seen.components, clock.regime, config.fine_cluster_size, config.seed).astype(np.int64)
    time, ratio = clock.shared.time.astype(np.float32), scale.ratio[genes]
    probability = clock.probability
    known = Known(
        time=time,
        probability=np.ones((len(time), 1), dtype=np.float32) if probability is None else probability,
        clusters=clusters,
        trend=_trend(time, seen.u[:, genes], clusters),
        units=_units(foundation, seen, scale, genes),
        ratio=ratio,
        weight=_votes(clock.agreement[genes].astype(np.float32)),
    )
    return known, genes


def _votes(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return weights with mean one; all one where there are none."""
    mean = float(weight.mean())
    return weight / np.float32(mean) if mean > 0 else np.ones_like(weight)


def _units(foundation: Foundation, seen: Prepared, scale: Scale, genes: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the rates that every expert starts from, (K, G, 3); none is zero, so that training can raise it.

    The clock knows the rates for moments of which each kind is divided by its own total; the moments of the network
    have a common depth, so that splicing is multiplied by how much the ratio of the two kinds differs. Transcription
    that holds the largest u steady is as large as splicing.
    """
    clock, own = foundation.clock, foundation.seen
    means = [each[:, genes].mean(axis=0) + TINY for each in (own.unspliced, own.spliced, seen.unspliced, seen.spliced)]
    apart = (means[0] / means[2]) / (means[1] / means[3]) * scale.ratio[genes]
    made, gamma = clock.beta[:, genes] * apart, clock.gamma[:, genes]
    made, gamma = (np.maximum(each, LOWEST_SHARE * max(float(np.median(each)), LOWEST_SHARE)) for each in (made, gamma))
    beta = made / scale.ratio[genes]
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
