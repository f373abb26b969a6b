"""STEER: graph-attention auto-encoder and mixture of kinetic experts for RNA velocity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.steer.config import SteerConfig

if TYPE_CHECKING:
    from napari_tissue_dynamics.steer.model_file import apply_model
    from napari_tissue_dynamics.steer.training import fit, fit_steps

__all__ = ["SteerConfig", "apply_model", "fit", "fit_steps"]


def __getattr__(name: str) -> object:
    if name in {"fit", "fit_steps"}:  # torch loads when a fit is asked for
        from napari_tissue_dynamics.steer import training

        return getattr(training, name)
    if name == "apply_model":
        from napari_tissue_dynamics.steer.model_file import apply_model

        return apply_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
