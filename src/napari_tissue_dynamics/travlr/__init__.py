"""SpaceTravLR: spatially varying gene regulation, gene by gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.travlr.config import TravlrConfig

if TYPE_CHECKING:
    from napari_tissue_dynamics.travlr.batch.batch_fit import Place, fit_genes, fit_genes_steps
    from napari_tissue_dynamics.travlr.batch.store import BetaStore
    from napari_tissue_dynamics.travlr.compat.estimator import SpatialCellularProgramsEstimator
    from napari_tissue_dynamics.travlr.priors.factory import BaseGrnFactory, RegulatoryFactory
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
    "BaseGrnFactory": "priors.factory",
    "BetaStore": "batch.store",
    "Place": "batch.batch_fit",
    "RegulatoryFactory": "priors.factory",
    "SpatialCellularProgramsEstimator": "compat.estimator",
    "fit": "training",
    "fit_genes": "batch.batch_fit",
    "fit_genes_steps": "batch.batch_fit",
    "fit_steps": "training",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
