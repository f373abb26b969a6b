"""Settings of one SpaceTravLR fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Interval

Profile = Literal["fast", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOptions:
    """Settings of the published network that only reproducing a publication needs to change.

    Parameters
    ----------
    seed_estimator
        Linear model of each cell type that the network starts from.
    solver
        How the group lasso is solved: ``exact`` until it has converged, ``path`` as in the publication, which stops
        early.
    standardize
        Divide every column by its spread for the seed and report coefficients on the original scale; off as in the
        publication.
    threshold_lambda, l1_reg
        Group and element-wise penalty of the group lasso.
    ard_threshold
        Precision above which ``ard`` takes a coefficient for zero.
    vision_model
        Network that bends the seed coefficients: convolutional (``cnn``) or a vision ``transformer`` (flat tissue,
        sides divisible by 4).
    activation
        How the convolutional network bends the seed coefficients.
    maps
        What the maps show: where the cell is (``position``), the same only where the tissue has cells of its type
        (``masked_distance``), or how many cells of each type are around it (``density``).
    rotate_maps
        Turn the maps at random by quarter turns while training, as the publication does.
    """

    seed_estimator: Literal["lasso", "bayesian", "ard"] = "lasso"
    solver: Literal["path", "exact"] = "exact"
    standardize: bool = True
    threshold_lambda: Annotated[float, Ge(0)] = 1e-6
    l1_reg: Annotated[float, Ge(0)] = 1e-9
    ard_threshold: Annotated[float, Interval(gt=0)] = 1e4
    vision_model: Literal["cnn", "transformer"] = "cnn"
    activation: Literal["sigmoidx2", "sigmoid", "identity", "tanh", "gelu", "softplus"] = "sigmoidx2"
    maps: Literal["position", "masked_distance", "density"] = "position"
    rotate_maps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TravlrConfig:
    """Settings of one SpaceTravLR fit.

    The defaults are the fast profile; :meth:`full` gives map size and epochs of the publication.

    Parameters
    ----------
    radius
        Reach of secreted ligands and of the neighborhood counts, in the unit of the positions.
        0 takes eight times the median distance to the nearest cell.
    contact_distance
        Reach of contact signals. 0 takes two times the median distance to the nearest cell.
    kernel
        Fall-off of a ligand with distance: ``gaussian`` (sigma = radius, no cut-off) or ``truncated``
        (0.001 at the radius and nothing beyond).
    diffusion
        How received ligands are summed: over all pairs of cells (``exact``), through a ``grid`` (gaussian kernel only;
        within 0.1 % of the largest value), or through a grid where that is much less work (``auto``).
    scale_factor
        Multiplies every received ligand.
    impute
        Smooth the expression over similar cells of the same type before the fit, as the publication does. Expression
        of a layer ``imputed_count`` is not smoothed again.
    estimator
        ``smooth``: coefficients that vary smoothly over the tissue and between types, all types at once and within
        seconds. ``network``: the published way, a linear seed bent over space by a network in each type.
    waves
        Half waves of the smooth coefficients along the tissue; 0 goes by the number of cells.
    max_modulators
        Modulators of a gene that get a smooth map, the most promising ones; 0 takes all.
    held_out
        Also predict cells that were left out, at random and as pieces of tissue.
    permutations
        Permutations that say how strong a modulator seems by chance; 0 for no test.
    score_threshold
        A cell type whose R² in the cells it was fitted to stays below keeps only its mean, no coefficients. With
        ``held_out`` the smooth estimator also asks for an R² above 0 in cells that were left out, or above a threshold
        that is itself below 0.
    small_types
        What to do about cell types of a single cell, from which no coefficient can be told: ``refuse`` the fit, or
        let the cell keep its own value (``mean``) without coefficients.
    spatial_dim
        Side of the spatial maps in pixels.
    epochs
        Epochs of each network; 0 keeps the seed coefficients.
    learning_rate
        Step length of Adam.
    batch_size
        Cells of each step.
    tf_ligand_cutoff
        Smallest score of a ligand-TF pair.
    max_pairs
        At most this many ligand-receptor pairs, those with the most expression; 0 takes all.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Seed of every random number of the fit.
    published
        What only reproducing a publication needs to change.
    """

    radius: Annotated[float, Ge(0)] = 0.0
    contact_distance: Annotated[float, Ge(0)] = 0.0
    kernel: Literal["gaussian", "truncated"] = "gaussian"
    diffusion: Literal["auto", "exact", "grid"] = "auto"
    scale_factor: Annotated[float, Interval(gt=0)] = 1.0
    impute: bool = False
    estimator: Literal["smooth", "network"] = "smooth"
    waves: Annotated[int, Interval(ge=0, le=16)] = 0
    max_modulators: Annotated[int, Ge(0)] = 32
    held_out: bool = True
    permutations: Annotated[int, Interval(ge=0, le=10000)] = 100
    score_threshold: Annotated[float, Interval(le=1)] = 0.2
    small_types: Literal["refuse", "mean"] = "refuse"
    spatial_dim: Annotated[int, Interval(ge=8, le=256)] = 16
    epochs: Annotated[int, Interval(ge=0, le=10000)] = 60
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 5e-3
    batch_size: Annotated[int, Ge(1)] = 512
    tf_ligand_cutoff: Annotated[float, Ge(0)] = 0.01
    max_pairs: Annotated[int, Ge(0)] = 50
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: Annotated[int, Ge(0)] = 0
    published: PublishedOptions = PublishedOptions()

    @classmethod
    def fast(cls) -> TravlrConfig:
        """Return the settings for a first look."""
        return cls()

    @classmethod
    def full(cls) -> TravlrConfig:
        """Return map size, epochs and pairs of the publication."""
        return cls(spatial_dim=64, epochs=100, max_pairs=0)

    @classmethod
    def profile(cls, name: Profile) -> TravlrConfig:
        """Return the settings called ``name``."""
        return cls.full() if name == "full" else cls.fast()
