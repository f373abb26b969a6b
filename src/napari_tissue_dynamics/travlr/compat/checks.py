"""Checks of the estimator's settings, with one sentence for each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.nets.cnn import ACTIVATIONS
from napari_tissue_dynamics.travlr.nets.spatial_maps import MapKind
from napari_tissue_dynamics.travlr.nets.transformer import PATCHES
from napari_tissue_dynamics.travlr.priors.pairs import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.versions import CompatibilityProfile

SMALLEST_MAP = 8


def check_settings(
    profile: CompatibilityProfile, spatial_dim: int, radius: float, contact_distance: float, species: str | None
) -> None:
    """Check the arguments of the constructor.

    Raises
    ------
    DataError
        If a name is not known or a number is too small.
    """
    _one_of("kernel", profile.kernel, ("gaussian", "truncated"))
    _one_of("maps", profile.maps, get_args(MapKind))
    _one_of("activation", profile.activation, ACTIVATIONS)
    _one_of("solver", profile.solver, ("path", "exact"))
    if species is not None:
        _one_of("species", species, RESOURCES)
    if spatial_dim < SMALLEST_MAP:
        raise DataError(f"spatial_dim is {spatial_dim}; a map needs {SMALLEST_MAP} or more pixels per side.")
    for name, reach in (("radius", radius), ("contact_distance", contact_distance)):
        if not reach > 0:
            raise DataError(f"{name} is {reach}; a distance above 0 was expected.")


def check_fit(config: TravlrConfig, dimensions: int) -> None:
    """Check the arguments of :meth:`fit`.

    Raises
    ------
    DataError
        If a name is not known, a number is too small, or the transformer cannot see the maps.
    """
    _one_of("estimator", config.published.seed_estimator, ("lasso", "bayesian", "ard"))
    _one_of("vision_model", config.published.vision_model, ("cnn", "transformer"))
    if config.epochs < 0 or config.batch_size < 1 or not config.learning_rate > 0:
        raise DataError(
            f"num_epochs {config.epochs}, batch_size {config.batch_size} and learning_rate {config.learning_rate} were "
            "given; no fewer than 0 and 1, and above 0, were expected."
        )
    if config.published.vision_model == "transformer" and dimensions != 2:
        raise DataError(
            "The transformer supports two-dimensional maps only; choose the vision model 'cnn' for 3-D positions."
        )
    if config.published.vision_model == "transformer" and config.spatial_dim % PATCHES:
        raise DataError(f"The transformer needs a spatial_dim divisible by {PATCHES}; it is {config.spatial_dim}.")


def _one_of(what: str, found: Any, known: Iterable[str]) -> None:
    if found not in known:
        raise DataError(f"There is no {what} {found!r}; known are {', '.join(known)}.")
