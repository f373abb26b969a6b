"""The training phases, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_tissue_dynamics.steer.config import SteerConfig

AUTOENCODER = {"reconstruction": 1.0, "structure": 1.0}
CLUSTERS = {**AUTOENCODER, "min_cut": 1.0}
CLOCK = {**CLUSTERS, "time_order": 1.0, "smoothness": 1.0}
WARM_UP = {**CLOCK, "forced_velocity": 1.0}
VELOCITY = {**CLOCK, "velocity": 1.0}
ANCHORED = {**AUTOENCODER, "time_anchor": 10.0, "gate_anchor": 1.0}
ANCHORED_VELOCITY = {**ANCHORED, "velocity": 1.0}


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one sum of losses.

    Parameters
    ----------
    name
        What is trained, as text for the user.
    epochs
        Number of epochs, at most.
    weights
        Weight of each loss term, by its name in the table of losses.
    restarts
        Whether the step length anneals with warm restarts, the best state is kept, and the phase ends early.
    cost
        Expected time of an epoch, relative to the first phase.
    """

    name: str
    epochs: int
    weights: Mapping[str, float]
    restarts: bool = False
    cost: float = 1.0

    @property
    def uses_experts(self) -> bool:
        """Whether the experts are trained, and the regulation state with them."""
        return "velocity" in self.weights or "forced_velocity" in self.weights

    @property
    def uses_neighbors(self) -> bool:
        """Whether neighbors in the latent representation are needed."""
        return "smoothness" in self.weights


def first_stage(config: SteerConfig) -> tuple[Phase, ...]:
    """Return the phases that find the latent representation for the priors."""
    return (
        Phase("auto-encoder (stage 1)", config.autoencoder_epochs, AUTOENCODER),
        Phase("clusters (stage 1)", config.cluster_epochs, CLUSTERS),
    )


def second_stage(config: SteerConfig) -> tuple[Phase, ...]:
    """Return the phases that end with velocities.

    There are five in the faithful profile. In the improved one time and regimes are known before, so that there are
    three. The published code counts epochs from 0 and ends the second phase after its last number, one epoch later.
    """
    if not config.faithful:
        return (
            Phase("auto-encoder", config.autoencoder_epochs, AUTOENCODER),
            Phase("clock and regimes", config.time_epochs, ANCHORED),
            Phase("velocity", config.velocity_epochs, ANCHORED_VELOCITY, restarts=True, cost=2.0),
        )
    return (
        Phase("auto-encoder (stage 2)", config.autoencoder_epochs, AUTOENCODER),
        Phase("clusters (stage 2)", config.cluster_epochs + 1, CLUSTERS),
        Phase("clock", config.time_epochs, CLOCK, cost=1.2),
        Phase("velocity, warm-up", config.warm_up_epochs, WARM_UP, cost=2.0),
        Phase("velocity", config.velocity_epochs, VELOCITY, restarts=True, cost=2.0),
    )
