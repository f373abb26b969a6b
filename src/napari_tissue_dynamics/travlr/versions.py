"""What differs between the versions of SpaceTravLR, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_tissue_dynamics.travlr.nets.cnn import Activation
    from napari_tissue_dynamics.travlr.nets.lasso import GroupScaling
    from napari_tissue_dynamics.travlr.nets.spatial_maps import MapKind
    from napari_tissue_dynamics.travlr.received_ligands import Diffusion, Kernel

ProfileName = Literal["doc", "0.1.21", "0.1.16", "rust"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilityProfile:
    """Switches in which the versions of SpaceTravLR differ; the defaults keep what its API page promises.

    Parameters
    ----------
    kernel
        Fall-off of a ligand with distance.
    diffusion
        Whether ligands of large tissues may be summed on a grid.
    default_scale
        Factor of received ligands where ``scale_factor`` is left at the page's default 1.
    scale_used
        False where the version never passes ``scale_factor`` on.
    filter_receptors
        Drop pairs whose receptor is expressed nowhere, see ``receptor_thresh``.
    seed_gate
        R² that a seed needs, None for ``score_threshold``.
    below_gate
        What a cell type below a threshold keeps: its mean as ``beta0``, or nothing (``zero``).
    seed_without_epochs
        Whether no epochs give exactly the seed, or the seed bent by a network that was not trained.
    solver
        How the group lasso is solved.
    activation
        How the network bends the seed.
    group_scaling
        How the group penalty depends on the size of the group.
    maps
        What the spatial maps show.
    scale_neighbors
        Whether counts of neighbors are scaled to 0 ... 1.
    standardize
        Whether columns are divided by their spread for the seed.
    rotate_maps
        Whether maps are turned at random while training.
    batch_norm
        Statistics the betas are computed with: those of all cells, found once after the training (``all_cells``), or
        those of the cells that are asked for (``batch``).
    keep_constant_pairs
        Keep pairs that vary in no cell type.
    """

    kernel: Kernel = "gaussian"
    diffusion: Diffusion = "auto"
    default_scale: float = 1.0
    scale_used: bool = True
    filter_receptors: bool = False
    seed_gate: float | None = None
    below_gate: Literal["mean", "zero"] = "mean"
    seed_without_epochs: bool = True
    solver: Literal["path", "exact"] = "exact"
    activation: Activation = "sigmoidx2"
    group_scaling: GroupScaling = "inverse"
    maps: MapKind = "position"
    scale_neighbors: bool = True
    standardize: bool = True
    rotate_maps: bool = False
    batch_norm: Literal["all_cells", "batch"] = "all_cells"
    keep_constant_pairs: bool = False


DOC = CompatibilityProfile()
PYTHON = CompatibilityProfile(
    diffusion="exact",
    seed_gate=0.15,
    below_gate="zero",
    seed_without_epochs=False,
    solver="path",
    standardize=False,
    rotate_maps=True,
    batch_norm="batch",
    keep_constant_pairs=True,
)
"""What the published versions in Python have in common."""

PROFILES: Mapping[ProfileName, CompatibilityProfile] = {
    "doc": DOC,
    "0.1.21": replace(PYTHON, default_scale=100.0, filter_receptors=True, activation="identity"),
    "0.1.16": replace(PYTHON, kernel="truncated", scale_used=False, activation="sigmoid"),
    "rust": CompatibilityProfile(
        diffusion="exact",
        below_gate="zero",
        solver="path",
        group_scaling="direct",
        maps="inverse_distance",
        scale_neighbors=False,
        standardize=False,
        batch_norm="batch",
        keep_constant_pairs=True,
    ),
}


def profile_named(profile: str | CompatibilityProfile) -> CompatibilityProfile:
    """Return the switches of a version, or those that were given.

    Raises
    ------
    DataError
        If there is no profile of that name.
    """
    if isinstance(profile, CompatibilityProfile):
        return profile
    for name, switches in PROFILES.items():
        if name == profile:
            return switches
    raise DataError(f"There is no profile {profile!r}; known profiles are {', '.join(PROFILES)}.")
