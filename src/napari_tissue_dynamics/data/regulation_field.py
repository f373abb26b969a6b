"""What a fit of spatially varying regulation returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.beta_factors import Coefficients
    from napari_tissue_dynamics.data.tissue import Labels

# Largest false discovery rate at which a modulator counts as supported.
FALSE_DISCOVERY_RATE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class GeneFit:
    """Regulatory coefficients of one target gene in every cell.

    Parameters
    ----------
    target
        The regulated gene.
    modulators
        Column names in order: regulators ``TF``, ligand-receptor pairs ``Ligand$Receptor``,
        ligand-TF pairs ``Ligand#TF``.
    coefficients
        (cells, 1 + modulators) float32 with the intercept ``beta0`` in the first column, or the same as
        factors or in a file.
    clusters
        Names of the cell types that have a model.
    seed_r2, fit_r2
        Training R² of the seed estimator and of the final model, one per cluster (NaN where not fitted).
    effects
        Standard deviation over cells of what each modulator adds to the prediction, in the unit of the target's
        expression; coefficients alone cannot be compared, as their columns differ in scale. Empty when not known.
    held_out_r2, blocked_r2
        R² of held-out cells, drawn at random and as whole regions of the tissue, one per cluster; empty
        when not known.
    deviations
        Standard deviation of each coefficient in each cluster given the data, (clusters, 1 + modulators) float32:
        the root of its mean variance over the cluster's cells; None when not known.
    false_discovery
        (clusters, modulators) float32 false discovery rate (Benjamini-Hochberg) at which a modulator counts as
        supported in a cluster; None when not tested.
    contact_ligands
        Ligands of the modulators that reach as far as the contact distance only; None when not known.
    stopped
        True if the network was stopped before its last epoch.
    """

    target: str
    modulators: tuple[str, ...]
    coefficients: NDArray[np.float32] | Coefficients
    clusters: tuple[str, ...] = ()
    seed_r2: tuple[float, ...] = ()
    fit_r2: tuple[float, ...] = ()
    effects: tuple[float, ...] = ()
    held_out_r2: tuple[float, ...] = ()
    blocked_r2: tuple[float, ...] = ()
    deviations: NDArray[np.float32] | None = None
    false_discovery: NDArray[np.float32] | None = None
    contact_ligands: tuple[str, ...] | None = None
    stopped: bool = False

    def __post_init__(self) -> None:
        shape = self.coefficients.shape
        if len(shape) != 2 or shape[1] != 1 + len(self.modulators):
            raise DataError(
                f"The betas of {self.target} are {shape}; (cells, {1 + len(self.modulators)}) was expected."
            )
        if isinstance(self.coefficients, np.ndarray):
            self.coefficients.flags.writeable = False

    @property
    def betas(self) -> NDArray[np.float32]:
        """(cells, 1 + modulators) float32; made at every access when kept as factors or in a file."""
        return self.coefficients if isinstance(self.coefficients, np.ndarray) else self.coefficients.values()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the beta columns: ``beta0`` and ``beta_<modulator>``."""
        return ("beta0", *(f"beta_{name}" for name in self.modulators))

    @property
    def strongest(self) -> str:
        """The modulator with the largest effect (or mean absolute coefficient); the intercept when there is none.

        Where modulators were tested, those significant in at least one cell type come first.
        """
        if not self.modulators:
            return "beta0"
        sizes = np.asarray(self.effects) if self.effects else np.abs(self.betas[:, 1:]).mean(axis=0)
        if self.false_discovery is not None:
            significant = (self.false_discovery <= FALSE_DISCOVERY_RATE).any(axis=0)
            sizes = np.where(significant, sizes, -1.0) if significant.any() else sizes
        return self.modulators[int(sizes.argmax())]

    def beta(self, modulator: str) -> NDArray[np.float32]:
        """Return the (cells,) coefficients of one modulator (or of ``"beta0"``).

        Raises
        ------
        DataError
            If the gene has no such modulator.
        """
        column = self.beta_column(modulator)
        if isinstance(self.coefficients, np.ndarray):
            return self.coefficients[:, column]
        return self.coefficients.values(columns=slice(column, column + 1))[:, 0]

    def beta_column(self, modulator: str) -> int:
        """Return the column of one modulator (or of ``"beta0"``).

        Raises
        ------
        DataError
            If the gene has no such modulator.
        """
        if modulator == "beta0":
            return 0
        if modulator not in self.modulators:
            raise DataError(
                f"{modulator!r} is not a modulator of {self.target}; its modulators are "
                f"{', '.join(self.modulators) or 'none'}."
            )
        return 1 + self.modulators.index(modulator)

    def supported(self, modulator: str, labels: Labels | None, rate: float = FALSE_DISCOVERY_RATE) -> NDArray[np.bool_]:
        """Return in which cells the data support the modulator: those of types with a small false discovery rate.

        Parameters
        ----------
        modulator
            A modulator; the intercept counts as supported everywhere.
        labels
            Cell types of the tissue that was fitted, None where there are none.
        rate
            Largest false discovery rate.

        Returns
        -------
        (cells,).

        Raises
        ------
        DataError
            If the gene has no such modulator, or its modulators were not tested.
        """
        n_cells = self.coefficients.shape[0]
        if modulator == "beta0":
            return np.ones(n_cells, dtype=np.bool_)
        self.beta_column(modulator)
        if self.false_discovery is None:
            raise DataError(
                f"Whether {modulator} is supported as a modulator of {self.target} was not tested. "
                "Fit with the smooth estimator and permutations above 0."
            )
        passed = self.false_discovery[:, self.modulators.index(modulator)] <= rate
        if labels is None:
            return np.full(n_cells, bool(passed.any()))
        known = dict(zip(self.clusters, passed.tolist(), strict=True))
        by_code = np.array([*(known.get(name, False) for name in labels.categories), False])
        return np.asarray(by_code[labels.codes])


@dataclass(frozen=True, slots=True)
class LayerKey:
    """What a layer, a row of a table or an entry of a list shows of a regulation.

    Parameters
    ----------
    kind
        ``"beta"``.
    target, modulator
        The gene that is regulated and what regulates it.
    """

    kind: str
    target: str
    modulator: str

    def __str__(self) -> str:
        return f"{self.kind} {self.pair}"

    @property
    def pair(self) -> str:
        """Target and modulator, as they are listed."""
        return f"{self.target} ← {modulator_in_words(self.modulator)}"


def modulator_in_words(name: str) -> str:
    """Return a modulator as it is shown; ``$`` and ``#`` are for files.

    Examples
    --------
    >>> modulator_in_words("Wnt3$Fzd2"), modulator_in_words("Bmp4#Sox9"), modulator_in_words("Sox2")
    ('Wnt3 – Fzd2', 'Bmp4 → Sox9', 'Sox2')
    """
    return name.replace("$", " \N{EN DASH} ").replace("#", " → ")


@dataclass(frozen=True, slots=True, eq=False)
class RegulationField:
    """The fitted genes of one tissue.

    Parameters
    ----------
    genes
        What was fitted.
    stopped
        True if the fit was ended before all genes were done.
    failed
        Why other genes that were asked for have no fit, by gene.
    """

    genes: tuple[GeneFit, ...]
    stopped: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the fitted target genes."""
        return tuple(fit.target for fit in self.genes)

    @property
    def betas(self) -> Mapping[str, LayerKey]:
        """The keys of all betas by pair, see :attr:`LayerKey.pair`; those that every gene has by itself excepted."""
        keys = (LayerKey("beta", fit.target, modulator) for fit in self.genes for modulator in fit.modulators)
        return {key.pair: key for key in keys}

    def __getitem__(self, target: str) -> GeneFit:
        for fit in self.genes:
            if fit.target == target:
                return fit
        raise DataError(f"{target!r} has not been fitted; fitted genes are {', '.join(self.targets) or 'none'}.")
