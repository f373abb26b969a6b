"""Settings of one STEER fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Interval

Profile = Literal["improved", "faithful"]
Schedule = Literal["quick", "fast", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOptions:
    """Settings of the published method; change them only to reproduce a publication.

    Parameters
    ----------
    expert_size
        Network of each expert, slim or as in the publication.
    mask_train
        Mask a random tenth of the input in every epoch; the masked values are reconstructed too.
    loss_neighbors
        Weight of the structure loss, and number of neighbors in the smoothness loss (faithful profile).
    time_from
        RNA that latent time is correlated with (faithful profile).
    """

    expert_size: Literal["slim", "original"] = "slim"
    mask_train: bool = False
    loss_neighbors: Annotated[int, Interval(ge=1, le=500)] = 30
    time_from: Literal["unspliced", "spliced", "both"] = "unspliced"


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerConfig:
    """Settings of one STEER fit.

    The defaults are the quick schedule; :meth:`schedule` gives those of the publication.

    Parameters
    ----------
    profile
        ``improved`` reads time and kinetic regimes from the splicing equation of all genes together and trains the
        network around them. ``faithful`` is the published method, step by step: direction from the curvature of the
        phase portraits, two stages, tied weights moved twice in each step, a fixed seed of the network.
    n_experts
        Number of kinetic experts; 0 estimates it from the data (faithful: entropy elbow).
    n_genes
        Maximum number of highly variable genes to consider.
    keep_genes
        Maximum number of informative genes to train on.
    min_shared_counts
        Genes with fewer counts in cells with both spliced and unspliced RNA are excluded; 0 keeps all.
    smooth_neighbors
        Number of similar cells averaged in the moments.
    tissue_smoothing
        Number of nearest cells in the tissue that are also averaged, weighted by similarity (improved profile);
        0 for none.
    expression_neighbors, spatial_neighbors
        Number of neighbors in the expression graph and in the tissue graph.
    fine_cluster_size
        Target number of cells in a fine cluster, within which a gene is classified as induced or repressed.
    learning_rate
        Learning rate of AdamW.
    hidden_size, latent_size
        Width of the hidden layer and of the latent representation.
    autoencoder_epochs, cluster_epochs, time_epochs, warm_up_epochs
        Epochs of the first four phases; the improved profile skips the second and the fourth.
    velocity_epochs
        Maximum number of epochs of the last phase. The learning rate restarts after 50, 150, 350, 750, ... epochs;
        a phase that ends at one of these is fully annealed.
    patience, min_improvement
        The last phase ends when the loss has not fallen by ``min_improvement`` for ``patience`` epochs.
    velocity_batch
        Batch size (cells) of each velocity step; 0 uses all cells.
    cell_batch
        Larger tissues are trained on a different subset of about this many cells in every epoch (improved profile);
        0 always uses all cells. An epoch needs about 60 bytes of memory per cell and gene of the batch.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Random seed of the fit.
    published
        Settings that only need changing to reproduce a publication.
    """

    profile: Profile = "improved"
    n_experts: Annotated[int, Interval(ge=0, le=64)] = 0
    n_genes: Annotated[int, Interval(ge=10, le=20000)] = 2000
    keep_genes: Annotated[int, Interval(ge=10, le=20000)] = 1000
    min_shared_counts: Annotated[int, Ge(0)] = 20
    smooth_neighbors: Annotated[int, Interval(ge=2, le=500)] = 30
    tissue_smoothing: Annotated[int, Interval(ge=0, le=500)] = 30
    expression_neighbors: Annotated[int, Interval(ge=2, le=200)] = 30
    spatial_neighbors: Annotated[int, Interval(ge=1, le=200)] = 8
    fine_cluster_size: Annotated[int, Interval(ge=20, le=100000)] = 300
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    hidden_size: Annotated[int, Interval(ge=8, le=4096)] = 512
    latent_size: Annotated[int, Interval(ge=2, le=1024)] = 128
    autoencoder_epochs: Annotated[int, Ge(1)] = 150
    cluster_epochs: Annotated[int, Ge(1)] = 75
    time_epochs: Annotated[int, Ge(1)] = 100
    warm_up_epochs: Annotated[int, Ge(1)] = 50
    velocity_epochs: Annotated[int, Ge(1)] = 150
    patience: Annotated[int, Ge(1)] = 100
    min_improvement: Annotated[float, Interval(ge=0, le=1)] = 1e-3
    velocity_batch: Annotated[int, Ge(0)] = 512
    cell_batch: Annotated[int, Ge(0)] = 20_000
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: Annotated[int, Ge(0)] = 0
    published: PublishedOptions = PublishedOptions()

    @property
    def faithful(self) -> bool:
        """Whether every step is that of the published code."""
        return self.profile == "faithful"

    @classmethod
    def schedule(cls, name: Schedule, profile: Profile = "improved") -> SteerConfig:
        """Return the settings called ``name``.

        Parameters
        ----------
        name
            ``quick`` for a first look, minutes on two cores; ``fast`` and ``full`` as in the examples and in the
            benchmark of the publication (at most 5,000 and 10,000 epochs).
        profile
            The last phase of the faithful profile is as long as published. In the improved one it ends where the
            step length is annealed and not after a restart.
        """
        faithful = profile == "faithful"
        if name == "quick":
            return cls(profile=profile)
        if name == "fast":
            return cls(
                profile=profile,
                autoencoder_epochs=500,
                cluster_epochs=200,
                time_epochs=200,
                warm_up_epochs=200,
                velocity_epochs=3899 if faithful else 3150,
                patience=200,
                velocity_batch=2048,
            )
        return cls(
            profile=profile,
            published=PublishedOptions(expert_size="original"),
            autoencoder_epochs=1500,
            cluster_epochs=1500,
            time_epochs=200,
            warm_up_epochs=200,
            velocity_epochs=6599 if faithful else 6350,
            patience=1000,
            velocity_batch=0,
        )
