"""Simulated tissues as AnnData and as files, with what is true in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.io.write import replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.simulators.tissue import Truth
    from napari_tissue_dynamics.simulators.velocity_truth import VelocityTruth


def simulated_anndata(
    tissue: Tissue, truth: Truth | VelocityTruth, *, fates: Mapping[str, NDArray[np.floating]] | None = None
) -> AnnData:
    """Return a simulated tissue as AnnData, and what is true in it.

    The truth is in ``obs`` (``true_time``, ``true_regime``), in ``layers`` (``true_velocity``, ``true_alpha``,
    ``true_beta``, ``true_gamma``) and, for tissues that grow, in ``obsm["true_spatial_velocity"]``; for lineage trees
    the probability of every end is in ``obs`` (``true_fate_<end>``), for tissues with bursts which cells are in steady
    state, dying or empty (``true_static``, ``true_dying``, ``true_empty``). Where the regulation of genes is known, the
    coefficients are in ``obsm["true_betas_<target>"]``, in columns ``beta0`` and ``beta_<modulator>``, and what a
    model is offered is in ``uns["true_regulators"]`` (by target) and ``uns["true_pairs"]`` (a table).

    Parameters
    ----------
    tissue
        What was measured.
    truth
        What is true.
    fates
        (cells,) probability of every end, by its name.
    """
    import pandas as pd

    adata = new_anndata(tissue).copy()  # the arrays of a tissue are frozen
    adata.obs["true_time"] = np.array(truth.time)
    names = list(truth.regime.categories)
    for name in ("static", "dying", "empty"):
        if hasattr(truth, name):
            adata.obs[f"true_{name}"] = np.array(getattr(truth, name))
    adata.obs["true_regime"] = pd.Categorical.from_codes(truth.regime.codes, pd.Index(names))
    for name in ("velocity", "alpha", "beta", "gamma"):
        adata.layers[f"true_{name}"] = np.array(getattr(truth, name), dtype=np.float32)
    for name, probability in (fates or {}).items():
        adata.obs[f"true_fate_{name}"] = np.array(probability)
    if truth.spatial_velocity is not None:
        adata.obsm["true_spatial_velocity"] = np.array(truth.spatial_velocity)
    if getattr(truth, "targets", ()):
        _add_regulation(adata, truth)
    return adata


def write_simulated(
    path: str | os.PathLike[str],
    tissue: Tissue,
    truth: Truth | VelocityTruth,
    *,
    fates: Mapping[str, NDArray[np.floating]] | None = None,
) -> None:
    """Write a simulated tissue as .h5ad, and what is true in it; see :func:`simulated_anndata`.

    The file appears under its name when it is complete.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with replacing(Path(path).resolve()) as temporary:
        simulated_anndata(tissue, truth, fates=fates).write_h5ad(temporary)


def _add_regulation(adata: AnnData, truth: Any) -> None:
    import pandas as pd

    for target in truth.targets:
        columns = {"beta0": truth.intercepts[target]}
        columns |= {f"beta_{name}": values for name, values in truth.betas[target].items()}
        table = pd.DataFrame({name: np.array(values) for name, values in columns.items()}, index=adata.obs_names)
        adata.obsm[f"true_betas_{target}"] = table
    regulators = {target: np.array(names, dtype=object) for target, names in truth.regulators.items()}
    adata.uns["true_regulators"] = regulators
    adata.uns["true_pairs"] = pd.DataFrame(truth.pairs, columns=["ligand", "receptor", "signaling"]).astype(object)
