"""The kinetic models of RNA velocity: steady-state, stochastic and dynamical, for all genes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.kinetic_models.config import KineticsConfig

if TYPE_CHECKING:
    from napari_tissue_dynamics.kinetic_models.fitting import fit, fit_steps

__all__ = ["KineticsConfig", "fit", "fit_steps"]


def __getattr__(name: str) -> object:
    if name in {"fit", "fit_steps"}:
        from napari_tissue_dynamics.kinetic_models import fitting

        return getattr(fitting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
