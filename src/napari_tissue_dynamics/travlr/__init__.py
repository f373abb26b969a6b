"""SpaceTravLR: spatially varying gene regulation, gene by gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.travlr.config import TravlrConfig

if TYPE_CHECKING:
    from napari_tissue_dynamics.travlr.estimator import SpatialCellularProgramsEstimator
    from napari_tissue_dynamics.travlr.factory import BaseGrnFactory, RegulatoryFactory
    from napari_tissue_dynamics.travlr.many import Place, fit_genes, fit_genes_steps
    from napari_tissue_dynamics.travlr.store import BetaStore
    from napari_tissue_dynamics.travlr.training import fit, fit_steps

__all__ = [
    "BaseGrnFactory",
    "BetaStore",
    "Place",
    "RegulatoryFactory",
    "SpatialCellularProgramsEstimator",
    "TravlrConfig",
    "fit",
    "fit_genes",
    "fit_genes_steps",
    "fit_steps",
]

# The module of every name that is loaded when it is asked for; torch comes with most of them.
_MODULES = {
    "BaseGrnFactory": "factory",
    "BetaStore": "store",
    "Place": "many",
    "RegulatoryFactory": "factory",
    "SpatialCellularProgramsEstimator": "estimator",
    "fit": "training",
    "fit_genes": "many",
    "fit_genes_steps": "many",
    "fit_steps": "training",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
