"""Fit one gene in one cell type: the linear seed, its gate, the network, its gate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.progress import converted
from napari_tissue_dynamics.travlr.nets.cell_type_network import Step, betas_steps, new_network, training_steps
from napari_tissue_dynamics.travlr.nets.initial_coefficients import mean_only, r_squared, seed_steps
from napari_tissue_dynamics.travlr.versions import DOC

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.nets.cell_type_network import Network, Niche
    from napari_tissue_dynamics.travlr.versions import CompatibilityProfile

# Share of the work until the seed is there.
SEED_SHARE = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class TypeFit:
    """One gene in one cell type.

    Parameters
    ----------
    anchors
        (1 + modulators,) coefficients of the seed, or what a threshold has left of them.
    betas
        (cells, 1 + modulators) float32.
    network
        What bends the anchors; None if the betas are the anchors.
    seed_r2, fit_r2
        Training R² of the seed as it was fitted and of the betas.
    losses
        Mean squared error of every batch.
    """

    anchors: NDArray[np.float64]
    betas: NDArray[np.float32]
    network: Network | None
    seed_r2: float
    fit_r2: float
    losses: tuple[float, ...] = ()


def type_steps(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    groups: NDArray[np.integer],
    niche: Niche,
    config: TravlrConfig,
    seed: int,
    profile: CompatibilityProfile = DOC,
    allowed: NDArray[np.bool_] | None = None,
) -> Generator[Step, None, TypeFit]:
    """Fit one gene in one cell type.

    Parameters
    ----------
    x, y
        (cells, modulators) and (cells,).
    groups
        (modulators,) group of each column.
    seed
        Of every random number.
    profile
        Gates, group penalty and batch norm of a version of SpaceTravLR.
    allowed
        (modulators,) which may act in this type, None for all; the coefficients of the others are 0.

    Yields
    ------
    A :class:`Step`, without a loss while the seed is fitted.
    """
    wide = y.astype(np.float64)
    kept = np.arange(x.shape[1]) if allowed is None else np.flatnonzero(allowed)
    seeding = seed_steps(x[:, kept].astype(np.float64), wide, groups[kept], config, profile.group_scaling)
    anchors = np.zeros(1 + x.shape[1])
    anchors[[0, *(1 + kept)]] = yield from converted(seeding, lambda done: Step(SEED_SHARE * done))
    seed_r2 = r_squared(wide, anchors[0] + x @ anchors[1:])
    gate = config.score_threshold if profile.seed_gate is None else profile.seed_gate
    if not seed_r2 >= gate:
        return _below(wide, x, seed_r2, profile)
    if np.ptp(y) == 0 or (config.epochs == 0 and profile.seed_without_epochs):
        return TypeFit(anchors, _rows(anchors, len(y)), None, seed_r2, seed_r2)
    network, losses = yield from _trained(x, y, anchors, niche, config, seed, profile)
    betas = yield from betas_steps(network, niche, profile.batch_norm)
    fit_r2 = r_squared(wide, betas[:, 0] + (betas[:, 1:].astype(np.float64) * x).sum(axis=1))
    if config.epochs and not fit_r2 >= config.score_threshold:
        return _below(wide, x, seed_r2, profile, losses)
    return TypeFit(anchors, betas, network, seed_r2, fit_r2, losses)


def seed_of(seed: int, target: str, cluster: str) -> int:
    """Return the random seed of one network, from names only, so that no other gene or type changes it."""
    digest = hashlib.blake2b(f"{seed}\x1f{target}\x1f{cluster}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def _trained(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    anchors: NDArray[np.float64],
    niche: Niche,
    config: TravlrConfig,
    seed: int,
    profile: CompatibilityProfile,
) -> Generator[Step, None, tuple[Network, tuple[float, ...]]]:
    if not config.epochs:
        return new_network(niche.seen, niche.neighbors.shape[1], anchors, config, seed, niche.device), ()
    training = training_steps(niche, x, y, anchors, config, seed, profile.batch_norm)
    losses: list[float] = []

    def noted(step: Step) -> Step:
        if step.cells and step.loss is not None:
            losses.append(step.loss)
        return step._replace(done=SEED_SHARE + (1 - SEED_SHARE) * step.done)

    network = yield from converted(training, noted)
    return network, tuple(losses)


def _below(
    y: NDArray[np.float64],
    x: NDArray[np.float32],
    seed_r2: float,
    profile: CompatibilityProfile,
    losses: tuple[float, ...] = (),
) -> TypeFit:
    """Return what is left of a type whose R² is too low: its mean, or nothing."""
    anchors = mean_only(y, x.shape[1])
    if profile.below_gate == "zero":
        anchors[:] = 0
    return TypeFit(anchors, _rows(anchors, len(y)), None, seed_r2, r_squared(y, np.full_like(y, anchors[0])), losses)


def _rows(anchors: NDArray[np.float64], cells: int) -> NDArray[np.float32]:
    return np.broadcast_to(anchors.astype(np.float32), (cells, len(anchors)))
