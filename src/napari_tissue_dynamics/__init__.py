"""RNA velocity and spatially varying gene regulation in tissue, for napari, Python and the command line.

The names below are the front door; everything else may change from one version to the next. They take and return
AnnData in the manner of scanpy and scVelo, and are loaded when they are first used: importing this package loads
nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from napari_tissue_dynamics import errors
    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.analysis.fate.fate import FateConfig
    from napari_tissue_dynamics.api.fate import fate
    from napari_tissue_dynamics.api.files import read, save
    from napari_tissue_dynamics.api.regulation import regulation
    from napari_tissue_dynamics.api.simulate import simulate
    from napari_tissue_dynamics.api.velocity import velocity
    from napari_tissue_dynamics.api.view import view
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.io.read import ReadOptions
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.workflow.results import VelocityResult

__all__ = [
    "FateConfig",
    "FateResult",
    "KineticsConfig",
    "ProjectionConfig",
    "ReadOptions",
    "RegulationField",
    "SteerConfig",
    "Tissue",
    "TravlrConfig",
    "VelocityResult",
    "__version__",
    "errors",
    "fate",
    "read",
    "regulation",
    "save",
    "simulate",
    "velocity",
    "view",
]

_MODULES = {
    "FateConfig": "analysis.fate.fate",
    "FateResult": "data.fate_result",
    "KineticsConfig": "kinetic_models.config",
    "ProjectionConfig": "analysis.arrows.projection",
    "ReadOptions": "data.io.read",
    "RegulationField": "data.regulation_field",
    "SteerConfig": "steer.config",
    "Tissue": "data.tissue",
    "TravlrConfig": "travlr.config",
    "VelocityResult": "workflow.results",
    "fate": "api.fate",
    "read": "api.files",
    "regulation": "api.regulation",
    "save": "api.files",
    "simulate": "api.simulate",
    "velocity": "api.velocity",
    "view": "api.view",
}

if not TYPE_CHECKING:  # a type checker is to see names that do not exist

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "errors":
            return import_module(f"{__name__}.errors")
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
