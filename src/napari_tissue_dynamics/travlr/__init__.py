"""SpaceTravLR: spatially varying gene regulation, gene by gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.travlr.config import TravlrConfig

if TYPE_CHECKING:
    from napari_tissue_dynamics.travlr.training import fit, fit_steps

__all__ = ["TravlrConfig", "fit", "fit_steps"]


def __getattr__(name: str) -> object:
    if name in {"fit", "fit_steps"}:  # torch loads when a fit is asked for
        from napari_tissue_dynamics.travlr import training

        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
