"""Settings of one SpaceTravLR fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Interval

Profile = Literal["fast", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOptions:
    """Settings of the published network; change them only to reproduce a publication.

    Parameters
    ----------
    seed_estimator
        Linear model of each cell type that the network starts from.
    solver
        How the group lasso is solved: ``exact`` until it has converged, ``path`` as in the publication, which stops
        early.
    standardize
        Divide every column by its standard deviation for the seed and report coefficients on the original scale; the
        publication does not.
    threshold_lambda, l1_reg
        Group and element-wise penalty of the group lasso.
    ard_threshold
        Precision above which ``ard`` sets a coefficient to zero.
    vision_model
        Network that modulates the seed coefficients in space: convolutional (``cnn``) or a vision
        ``transformer`` (two-dimensional tissue, ``spatial_dim`` divisible by 4).
    activation
        Activation with which the convolutional network modulates the seed coefficients.
    maps
        What the maps show: where the cell is (``position``), the same only where the tissue has cells of its type
        (``masked_distance``), or how many cells of each type are around it (``density``).
    rotate_maps
        Rotate the maps randomly by multiples of 90° during training, as in the publication.
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
        0 uses eight times the median distance to the nearest cell.
    contact_distance
        Reach of contact signals. 0 uses twice the median distance to the nearest cell.
    kernel
        Decay of a ligand with distance: ``gaussian`` (sigma = radius, no cut-off) or ``truncated``
        (0.001 at the radius, 0 beyond).
    diffusion
        How received ligands are summed: over all pairs of cells (``exact``), through a ``grid`` (gaussian kernel only;
        within 0.1 % of the largest value), or through a grid where that is much faster (``auto``).
    scale_factor
        Factor that multiplies every received ligand.
    impute
        Smooth the expression over similar cells of the same type before the fit, as in the publication. Expression
        of a layer ``imputed_count`` is not smoothed again.
    estimator
        ``smooth``: coefficients that vary smoothly over the tissue and between types, all types at once and within
        seconds. ``network``: the published method, a linear seed modulated in space by one network per type.
    waves
        Number of half waves of the smooth coefficients along the tissue; 0 derives it from the number of cells.
    max_modulators
        Maximum number of modulators per gene with a smooth map, the most promising ones; 0 uses all.
    held_out
        Also compute R² in held-out cells, selected at random and as spatial regions.
    permutations
        Number of permutations of the null distribution of modulator strength; 0 for no test.
    score_threshold
        A cell type whose training R² is below this threshold keeps only its mean, no coefficients. With ``held_out``
        the smooth estimator also requires an R² above 0 in held-out cells, or above the threshold if that is below 0.
    small_types
        Cell types with a single cell, for which no coefficient can be estimated: stop with an error (``refuse``), or
        keep the cell's own value without coefficients (``mean``).
    spatial_dim
        Side length of the spatial maps in pixels.
    epochs
        Epochs of each network; 0 keeps the seed coefficients.
    learning_rate
        Learning rate of Adam.
    batch_size
        Batch size in cells.
    tf_ligand_cutoff
        Minimum score of a ligand-TF pair.
    max_pairs
        Maximum number of ligand-receptor pairs, the most highly expressed ones; 0 uses all.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Random seed of the fit.
    published
        Settings that only need changing to reproduce a publication.
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
