"""User defaults in napari's Preferences; the manifest declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from napari.settings import get_plugin_settings

from napari_tissue_dynamics.compute import worker_threads
from napari_tissue_dynamics.descriptions import setting_values, with_settings
from napari_tissue_dynamics.layers.axes import PLUGIN

if TYPE_CHECKING:
    from napari_tissue_dynamics.layers.colors import MapName

Settings = TypeVar("Settings")

OWN_DEVICE = "default"
"""Each model uses its own default."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What new docks begin with.

    Parameters
    ----------
    device
        Where models compute: ``cpu``, ``cuda``, ``mps``, or ``default`` for what each model prefers.
    threads
        Threads of a fit; 0 leaves one core to the window.
    velocity_model
        Name of a velocity model, see :data:`.workflow.models.MODELS`.
    estimator
        Of regulation: ``smooth`` or ``network``.
    values_map, signed_map
        Color maps of values, and of values with a sign.
    hover_card
        Whether the card of the cell under the mouse is shown.
    """

    device: str = OWN_DEVICE
    threads: int = 0
    velocity_model: str = "dynamical"
    estimator: str = "smooth"
    values_map: MapName = "dusk"
    signed_map: MapName = "balance"
    hover_card: bool = True


SECTIONS = {
    "computing": ("device", "threads"),
    "models": ("velocity_model", "estimator"),
    "looking": ("values_map", "signed_map", "hover_card"),
}
"""Under which heading of the manifest each of them stands."""


def preferences() -> Preferences:
    """Return the preferences; the defaults where the plugin is not registered with napari (as in a script)."""
    try:
        kept = get_plugin_settings(PLUGIN)
    except KeyError:
        return Preferences()
    found = {name: getattr(getattr(kept, section), name) for section, names in SECTIONS.items() for name in names}
    return Preferences(**found)


def with_preferences(settings: Settings) -> Settings:
    """Return settings with the device and the estimator from the preferences, where a model has such a choice.

    What stands in the Preferences as at first is no wish: the settings then stay as they are.
    """
    kept, first, hints = preferences(), Preferences(), get_type_hints(type(settings))
    names = setting_values(settings)
    wanted = {
        name: getattr(kept, name)
        for name in ("device", "estimator")
        if name in names and getattr(kept, name) != getattr(first, name)
    }
    allowed: dict[str, Any] = {name: value for name, value in wanted.items() if value in get_args(hints[name])}
    return with_settings(settings, allowed)


def threads() -> int:
    """Return how many threads a fit may use."""
    return preferences().threads or worker_threads()
