"""The per-gene estimator of SpaceTravLR, with the interface of its API page."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_tissue_dynamics.compute import pick_device
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.compat.anndata_input import Source
from napari_tissue_dynamics.travlr.compat.candidates import Request, genes_of, pair_table, regulators_by_type, resolve
from napari_tissue_dynamics.travlr.compat.checks import check_fit, check_settings
from napari_tissue_dynamics.travlr.compat.fitting import betas_of_types, fit_config, fit_types
from napari_tissue_dynamics.travlr.compat.interactions import expression_and_thresholds, interactions
from napari_tissue_dynamics.travlr.compat.prepared import ATTRIBUTES, Data, build_data
from napari_tissue_dynamics.travlr.compat.trained import Trained, data_fingerprint, load_trained, save_trained
from napari_tissue_dynamics.travlr.priors.pairs import species_of
from napari_tissue_dynamics.travlr.versions import CompatibilityProfile, profile_named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import numpy as np
    import pandas as pd
    import torch
    from anndata import AnnData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.candidates import PairsSource, ScoresSource
    from napari_tissue_dynamics.travlr.compat.fitting import Bar
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.nets.cell_type_network import Network
    from napari_tissue_dynamics.travlr.nets.cnn import Activation
    from napari_tissue_dynamics.travlr.nets.spatial_maps import MapKind
    from napari_tissue_dynamics.travlr.nets.type_maps import SpatialMaps
    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label
    from napari_tissue_dynamics.travlr.priors.factory import Regulators
    from napari_tissue_dynamics.travlr.priors.pairs import Species
    from napari_tissue_dynamics.travlr.received_ligands import Kernel

# Metadata of an estimator file in addition to its fit.
SETTINGS = (
    "target_gene", "spatial_dim", "cluster_annot", "layer", "radius", "contact_distance", "use_ligands",
    "tf_ligand_cutoff", "receptor_thresh", "scale_factor", "species", "cluster_masks", "ard_threshold", "seed",
)  # fmt: skip


class SpatialCellularProgramsEstimator:
    r"""Spatially varying regulation of one target gene.

    .. math:: y_i = \beta_0(s_i) + \sum_k \beta_k(s_i)\, x_{ik}

    with columns ``TF`` (expression), ``Ligand$Receptor`` and ``Ligand#TF`` (received ligand times expression). In each
    cell type a linear seed gives the anchors, and a network bends them over space. Source: SpaceTravLR; where its code
    and its API page disagree, this follows the page, see :mod:`~napari_tissue_dynamics.travlr.versions`.

    Parameters
    ----------
    adata
        Anything with the parts of an AnnData: ``obsm["spatial"]`` of 2 or 3 columns, the layer, the column of cell
        types. :meth:`init_data` stores in it what the API page lists.
    target_gene
        The gene to model.
    spatial_dim
        Side of the spatial maps in pixels.
    cluster_annot, layer
        Column of cell types of any kind (cells without one get zeros), and layer of the expression.
    radius, contact_distance
        Reach of secreted ligands and of contact signals, in the unit of the positions.
    use_ligands
        False leaves regulators only.
    tf_ligand_cutoff
        Smallest score of a ligand-TF pair.
    receptor_thresh
        Mean expression that a receptor needs in some cell type; used with ``filter_receptors`` only.
    regulators, grn, colinks_path
        Transcription factors as a list (the other two are then ignored), as anything with
        ``get_regulators(adata, gene)``, or as a table of links.
    scale_factor
        Multiplies every received ligand.
    extra_regulators, extra_modulators, extra_lr
        Further transcription factors, further genes in a group of their own, and further pairs (ligand, receptor),
        which count as secreted.
    tflinks, download
        Ligand-target scores, as a table or a file; without them there are no ligand-TF pairs, unless NicheNet's are to
        be downloaded once.
    lr_pairs_table
        Ligand-receptor pairs, as a table, a file or a list; None for the tables of the installed ``liana``.
    species
        ``mouse`` or ``human``; None goes by the names of all genes.
    profile
        ``doc``, ``0.1.21``, ``0.1.16`` or ``rust``, or switches of one's own.
    kernel, maps, activation, filter_receptors, keep_constant_pairs, solver
        Overrides the value of the profile.
    cluster_masks
        Let a transcription factor act only in the cell types whose links have it; needs a ``RegulatoryFactory``.
    reach_by_pair
        Use the signaling type of each pair; otherwise a ligand has one reach, that of its first pair.
    ard_threshold
        Precision above which the seed ``ard`` takes a coefficient for zero.
    device, seed
        ``auto``, ``cpu``, ``cuda`` or ``mps``; and where random numbers begin, together with gene and cell type.

    Attributes
    ----------
    regulators, ligands, receptors, lr_pairs, tfl_ligands, tfl_regulators, tfl_pairs, modulators, modulators_genes
        What explains the target, in the order of the beta columns.
    models, scores, seed_scores, held_out_scores, loss_dict
        By cell type after :meth:`fit`: network, R² on the training cells, R² of the seed there and on held-out
        regions of the tissue, and the mean squared error of every batch.

    Raises
    ------
    DataError
        If the AnnData, the target or what may regulate it cannot be used.
    """

    if TYPE_CHECKING:  # what :class:`~napari_tissue_dynamics.travlr.compat.prepared.Data` has
        spatial_maps: SpatialMaps
        spatial_features: pd.DataFrame
        train_df: pd.DataFrame
        Xn: NDArray[np.float32]
        yn: NDArray[np.float32]
        xy: NDArray[np.float64]
        xy_df: pd.DataFrame
        cluster_labels: NDArray[Any]
        cell_indices: NDArray[np.intp]

    def __init__(  # noqa: PLR0913, PLR0917  # the arguments of the API page, and ours by name
        self,
        adata: AnnData,
        target_gene: str,
        spatial_dim: int = 64,
        cluster_annot: str = "cell_type_int",
        layer: str = "imputed_count",
        radius: float = 100,
        contact_distance: float = 30,
        use_ligands: bool = True,
        tf_ligand_cutoff: float = 0.01,
        receptor_thresh: float = 0.1,
        regulators: Sequence[str] | None = None,
        grn: Regulators | None = None,
        colinks_path: str | Path | None = None,
        scale_factor: float = 1,
        extra_regulators: Sequence[str] | None = None,
        *,
        extra_modulators: Sequence[str] | None = None,
        extra_lr: Iterable[tuple[str, str]] | None = None,
        tflinks: ScoresSource | None = None,
        lr_pairs_table: PairsSource | None = None,
        species: Species | None = None,
        profile: str | CompatibilityProfile = "doc",
        kernel: Kernel | None = None,
        maps: MapKind | None = None,
        activation: Activation | None = None,
        filter_receptors: bool | None = None,
        keep_constant_pairs: bool | None = None,
        solver: Literal["path", "exact"] | None = None,
        cluster_masks: bool = False,
        reach_by_pair: bool = False,
        ard_threshold: float = 1e4,
        download: bool = False,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
        seed: int = 0,
    ) -> None:
        named: dict[str, Any] = {"kernel": kernel, "maps": maps, "activation": activation, "solver": solver}
        named |= {"filter_receptors": filter_receptors, "keep_constant_pairs": keep_constant_pairs}
        switches = {name: value for name, value in named.items() if value is not None}
        self.profile = replace(profile_named(profile), **switches)
        check_settings(self.profile, spatial_dim, radius, contact_distance, species)
        self.adata, self.target_gene, self.cluster_annot, self.layer = adata, target_gene, cluster_annot, layer
        self.spatial_dim, self.radius, self.contact_distance = spatial_dim, radius, contact_distance
        self.use_ligands, self.tf_ligand_cutoff, self.receptor_thresh = use_ligands, tf_ligand_cutoff, receptor_thresh
        self.scale_factor, self.cluster_masks, self.ard_threshold = scale_factor, cluster_masks, ard_threshold
        self.seed, self._device_name = seed, device
        source = Source.of(adata, layer, cluster_annot)
        self.species: Species = species or species_of(adata.var_names)
        request = Request(
            target=target_gene, cluster_annot=cluster_annot, species=self.species, use_ligands=use_ligands,
            tf_ligand_cutoff=tf_ligand_cutoff, regulators=regulators, grn=grn, colinks_path=colinks_path,
            receptor_threshold=receptor_thresh if self.profile.filter_receptors else None, extra_lr=extra_lr,
            extra_regulators=extra_regulators, extra_modulators=extra_modulators, tflinks=tflinks,
            lr_pairs_table=lr_pairs_table, cluster_masks=cluster_masks, reach_by_pair=reach_by_pair, download=download,
        )  # fmt: skip
        candidates, self.grn = resolve(source, request)
        self._everywhere = tuple(extra_regulators or ())
        self._begin(candidates, source.labels)

    def _begin(self, candidates: Modulators, labels: tuple[Label, ...]) -> None:
        self._candidates = candidates
        self._data: Data | None = None
        self._fitted: Data | None = None
        self._trained: Trained | None = None
        self._loaded = False
        self.celltypes_order = labels
        self.models: dict[Label, Network] = {}
        self.scores: dict[Label, float] = {}
        self.seed_scores: dict[Label, float] = {}
        self.held_out_scores: dict[Label, float] = {}
        self.loss_dict: dict[Label, list[float]] = {}
        self._adopt(candidates)

    def _adopt(self, candidates: Modulators) -> None:
        """Show the modulators as lists."""
        self.regulators = list(candidates.regulators)
        self.lr: pd.DataFrame = pair_table(candidates, self.radius, self.contact_distance)
        self.lr_pairs: pd.Series[str] = self.lr["pairs"]
        self.ligands, self.receptors = self.lr["ligand"].tolist(), self.lr["receptor"].tolist()
        self.tfl_pairs = [f"{pair.ligand}#{pair.tf}" for pair in candidates.tf_ligands]
        self.tfl_ligands = [pair.ligand for pair in candidates.tf_ligands]
        self.tfl_regulators = [pair.tf for pair in candidates.tf_ligands]
        self.extra_modulators = list(candidates.extra)
        self.modulators = list(candidates.names)
        self.modulators_genes = genes_of(candidates)

    @cached_property
    def device(self) -> torch.device:
        """Where to compute."""
        return pick_device(self._device_name)

    @property
    def n_clusters(self) -> int:
        """Number of cell types."""
        return len(self.celltypes_order)

    @property
    def orphan(self) -> bool:
        """Whether nothing that could regulate the target is known; its betas are then the means of the cell types."""
        return not self.modulators

    @property
    def betadata(self) -> pd.DataFrame:
        """The same as :meth:`get_betas`."""
        return self.get_betas()

    def __getattr__(self, name: str) -> Any:
        if name in ATTRIBUTES:  # the data are built when they are first asked for
            return getattr(self._ready(), name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @staticmethod
    def ligands_receptors_interactions(
        received_ligands_df: pd.DataFrame, receptor_gex_df: pd.DataFrame
    ) -> pd.DataFrame:
        """Multiply received ligands and receptors, (cells, pairs) each, column by column into ``Ligand$Receptor``."""
        return interactions(received_ligands_df, receptor_gex_df, "$")

    @staticmethod
    def ligand_regulators_interactions(
        received_ligands_df: pd.DataFrame, regulator_gex_df: pd.DataFrame
    ) -> pd.DataFrame:
        """Multiply received ligands and TFs, (cells, pairs) each, column by column into ``Ligand#TF``."""
        return interactions(received_ligands_df, regulator_gex_df, "#")

    @staticmethod
    def check_LR_properties(adata: AnnData, layer: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Return the (cells, genes) expression and ``uns["cell_thresholds"]``, None when there is none."""
        return expression_and_thresholds(adata, layer)

    def init_data(self) -> tuple[SpatialMaps, NDArray[np.float32], NDArray[np.float32], NDArray[Any]]:
        """Build columns, maps and counts of neighbors and store them in the AnnData.

        Pairs that vary in no cell type are excluded from ``modulators`` and the lists that belong to it. Ligands and
        counts that the AnnData has stored are used again if everything they depend on is the same. Maps above 128 MB
        are not stored, but drawn on demand.

        Returns
        -------
        Maps (cells, types, pixels, pixels[, pixels]), columns (cells, modulators), target (cells,), cell types
        (cells,).
        """
        self._data = data = self._build(self._trained if self._loaded else None)
        self._adopt(data.modulators)
        self.celltypes_order = data.source.labels
        return data.spatial_maps, data.Xn, data.yn, data.cluster_labels

    def fit(  # noqa: PLR0913, PLR0917  # the arguments of the API page
        self,
        num_epochs: int = 100,
        threshold_lambda: float = 1e-06,
        learning_rate: float = 0.005,
        batch_size: int = 512,
        pbar: Bar | None = None,
        estimator: Literal["lasso", "bayesian", "ard"] = "lasso",
        vision_model: Literal["cnn", "transformer"] = "cnn",
        score_threshold: float = 0.2,
        l1_reg: float = 1e-09,
        skip_clusters: Collection[Label] | None = None,
    ) -> None:
        """Fit one model per cell type and set ``models``, ``scores`` and ``loss_dict``.

        Parameters
        ----------
        num_epochs
            Epochs of each network; 0 keeps exactly the seed.
        threshold_lambda, l1_reg
            Group and element-wise penalty of the group lasso.
        learning_rate, batch_size
            Of Adam.
        pbar
            Anything with ``update(n)``, advanced by cells x epochs in all; None makes one of the package ``enlighten``
            where that is installed.
        estimator
            Linear seed.
        vision_model
            ``cnn``, or a vision ``transformer`` for flat tissue.
        score_threshold
            A cell type whose seed or network stays below this R² keeps its mean as ``beta0`` and nothing else.
        skip_clusters
            Cell types to skip; their betas are zeros.

        Raises
        ------
        DataError
            If a setting is not known, or a transformer is asked for 3-D positions.
        """
        config = self._config(
            vision_model=vision_model,
            epochs=num_epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            seed_estimator=estimator,
            threshold_lambda=threshold_lambda,
            l1_reg=l1_reg,
            ard_threshold=self.ard_threshold,
            score_threshold=score_threshold,
            seed=self.seed,
        )
        check_fit(config, self.adata.obsm["spatial"].shape[1])
        self._loaded = False  # a fit reads the cells again
        self.init_data()
        data = self._ready()
        allowed: dict[Label, NDArray[np.bool_]] = {}
        if self.cluster_masks:
            allowed = regulators_by_type(data.source, data.modulators, self.grn, self._everywhere)
        trained = fit_types(data, allowed, config, self.profile, self.device, skip=tuple(skip_clusters or ()), bar=pbar)
        self._fitted = data
        self._show(trained)

    def get_betas(self) -> pd.DataFrame:
        """Return the coefficients of every cell.

        Returns
        -------
        (cells, 1 + modulators) float32 with columns ``beta0`` and ``beta_<modulator>``, in the order of ``adata.obs``;
        zeros where the cell type has no model.

        Raises
        ------
        DataError
            If nothing has been fitted or loaded.
        """
        import pandas as pd

        trained = self._require_trained("get_betas")
        data = self._fitted_data()
        values = betas_of_types(self.models, data, self.profile.batch_norm, self.device)
        columns = ["beta0", *(f"beta_{name}" for name in trained.candidates.names)]
        return pd.DataFrame(values, index=data.source.cells, columns=columns)

    def predict(self, cluster: Label | None = None, adata: AnnData | None = None) -> pd.Series[float]:
        """Return the predicted expression of the target.

        Parameters
        ----------
        cluster
            Cells of this type only; None for all.
        adata
            Other cells with the same genes; None for the cells of the fit.
        """
        import pandas as pd

        self._require_trained("predict")
        if adata is not None:
            other = copy(self)
            other.adata, other._data, other._fitted = adata, None, None
            return other.predict(cluster)
        data = self._fitted_data()
        betas = self.get_betas().to_numpy()
        values = betas[:, 0] + (betas[:, 1:] * data.Xn).sum(axis=1)
        found = pd.Series(values, index=data.source.cells, name=self.target_gene)
        return found if cluster is None else found[data.cluster_labels == cluster]

    def plot_modulators(self, use_expression: bool = True, *, show: bool = True) -> Figure | None:
        """Show all genes that may regulate the target as a word cloud.

        Ligands are drawn in viridis, receptors in magma, transcription factors in rainbow.

        Parameters
        ----------
        use_expression
            Draw a gene as large as its mean expression; else all alike.
        show
            Show the figure and return None; else return it.
        """
        from napari_tissue_dynamics.travlr.compat.word_cloud import draw_gene_kinds

        kinds = {
            "viridis": [*self.ligands, *self.tfl_ligands],
            "magma": self.receptors,
            "rainbow": [*self.regulators, *self.tfl_regulators],
        }
        genes = tuple(dict.fromkeys(gene for group in kinds.values() for gene in group))
        weights = dict.fromkeys(genes, 1.0)
        if use_expression:
            columns = Source.of(self.adata, self.layer, self.cluster_annot).columns(genes)
            weights = {gene: float(values.mean()) for gene, values in columns.items()}
        return draw_gene_kinds(kinds, weights, f"{self.target_gene} modulators", self.seed, show=show)

    def export(self, save_dir: str | Path = "./models") -> None:
        """Write the fit to ``<save_dir>/<target_gene>_estimator.pkl``, a file of numbers and settings without any cell.

        Raises
        ------
        DataError
            If nothing has been fitted, or the file cannot be written.
        """
        trained = replace(self._require_trained("export"), models=self.models)
        settings = {name: getattr(self, name) for name in SETTINGS}
        path = Path(save_dir) / f"{self.target_gene}_estimator.pkl"
        save_trained(path, trained, {**settings, "maps": self.profile.maps, "profile": asdict(self.profile)})

    def load(self, path: str | Path) -> None:
        """Take over what :meth:`export` has written; the cells stay those of this estimator.

        Raises
        ------
        DataError
            If the file is a pickle, has been changed, or is none of these.
        """
        trained, settings = load_trained(path, self.device)
        for name in SETTINGS:
            setattr(self, name, settings[name])
        self.profile = CompatibilityProfile(**settings["profile"])
        self._everywhere = ()
        self._begin(trained.candidates, trained.labels)
        self._show(trained)
        self._loaded = True
        if data_fingerprint(Source.of(self.adata, self.layer, self.cluster_annot)) != trained.fingerprint:
            cells = f"The cells are not those that {self.target_gene} was fitted to; its betas are predictions."
            warnings.warn(cells, UserWarning, stacklevel=2)

    @classmethod
    def from_file(
        cls, path: str | Path, adata: AnnData, *, device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    ) -> SpatialCellularProgramsEstimator:
        """Return the estimator of a file that :meth:`export` has written, on the cells of an AnnData."""
        self = cls.__new__(cls)
        self.adata, self._device_name, self.grn = adata, device, None
        self.load(path)
        return self

    def _ready(self) -> Data:
        """Return the data, built if they are not there yet."""
        if self._data is None:
            self.init_data()
        assert self._data is not None
        return self._data

    def _build(self, trained: Trained | None) -> Data:
        """Return columns and places; those of a fit have its modulators, types, maps and ranges."""
        source = Source.of(self.adata, self.layer, self.cluster_annot)
        return build_data(source, self._candidates, self.profile, self._config(), trained)

    def _config(self, **chosen: Any) -> TravlrConfig:
        """Return the settings of this estimator, and of a fit."""
        reach = {"radius": self.radius, "contact_distance": self.contact_distance, "spatial_dim": self.spatial_dim}
        return fit_config(self.profile, float(self.scale_factor), **reach, **chosen)

    def _show(self, trained: Trained) -> None:
        """Take over what a fit has found."""
        self._trained = trained
        self.models, self.scores, self.seed_scores = trained.models, trained.scores, trained.seed_scores
        self.held_out_scores, self.loss_dict = trained.held_out_scores, trained.losses

    def _require_trained(self, method: str) -> Trained:
        if self._trained is None:
            raise DataError(f"{method} needs a fit of {self.target_gene}; call fit() or load() first.")
        return self._trained

    def _fitted_data(self) -> Data:
        """Return the data as the models see them."""
        if self._fitted is None:
            self._fitted = self._build(self._trained)
        return self._fitted
