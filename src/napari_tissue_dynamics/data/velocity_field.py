"""What every velocity model returns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence


@dataclass(frozen=True, slots=True, eq=False)
class VelocityField:
    """One velocity per cell and gene, and what else the model estimates.

    Parameters
    ----------
    genes
        The genes of the model, G names.
    spliced, unspliced
        (cells, G) float32, ds/dt and du/dt, in the unit of the moments.
    moments_spliced, moments_unspliced
        (cells, G) float32, the moments Ms and Mu that the model saw.
    time
        (cells,) float32 latent time in [0, 1], None if the model has no clock.
    alpha, beta, gamma
        (cells, G) float32 rates of transcription, splicing and degradation, or None.
    expert_probability
        (cells, experts) float32, rows sum to one, or None if the model has no experts.
    regulation
        (cells, G) float32 regulation state, above zero for induction and below for repression, or None.
    embedding
        (cells, latent) float32 latent representation, or None.
    gene_weight
        (G,) float32, how much every gene counts when velocities are projected, or None if all count the same.
    gene_time
        (cells, G) float32 time of every cell on the curve of every gene, or None.
    variance
        (cells, G) float32 change of the variance of the spliced RNA, or None.
    velocity_genes
        (G,) which genes are fitted well enough for their velocity to count, or None if all are.
    gene_table
        (G,) columns with what was found out about every gene, by the names that scVelo gives them in ``var``.
    model
        Name of the model.
    stopped
        True if the fit was stopped early and this is the best state so far.
    evidence
        Whether the counts support the direction, or None if that was not tested.
    informative
        (cells,) which cells have enough counts; the others have no velocity, and None means all have.

    Raises
    ------
    DataError
        If shapes disagree.
    """

    genes: tuple[str, ...]
    spliced: NDArray[np.float32]
    unspliced: NDArray[np.float32]
    moments_spliced: NDArray[np.float32]
    moments_unspliced: NDArray[np.float32]
    time: NDArray[np.float32] | None = None
    alpha: NDArray[np.float32] | None = None
    beta: NDArray[np.float32] | None = None
    gamma: NDArray[np.float32] | None = None
    expert_probability: NDArray[np.float32] | None = None
    regulation: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None
    gene_weight: NDArray[np.float32] | None = None
    gene_time: NDArray[np.float32] | None = None
    variance: NDArray[np.float32] | None = None
    velocity_genes: NDArray[np.bool_] | None = None
    gene_table: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    model: str = "velocity"
    stopped: bool = False
    evidence: VelocityEvidence | None = None
    informative: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = (self.spliced.shape[0], len(self.genes))
        per_gene = (
            "spliced",
            "unspliced",
            "moments_spliced",
            "moments_unspliced",
            "alpha",
            "beta",
            "gamma",
            "regulation",
            "gene_time",
            "variance",
        )
        for name in per_gene:
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise DataError(f"{name} is {value.shape}; {shape} (cells, genes) was expected.")
        for name in ("time", "expert_probability", "embedding", "informative"):
            value = getattr(self, name)
            if value is not None and value.shape[0] != shape[0]:
                raise DataError(f"{name} has {value.shape[0]} rows; {shape[0]} cells were expected.")
        of_genes = {"gene_weight": self.gene_weight, "velocity_genes": self.velocity_genes, **self.gene_table}
        for name, value in of_genes.items():
            if value is not None and value.shape != shape[1:]:
                raise DataError(f"{name} is {value.shape}; {shape[1:]} (genes,) was expected.")
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.spliced.shape[0])

    @property
    def expert(self) -> NDArray[np.int32] | None:
        """(cells,) the most probable expert of every cell from 0, -1 where not informative; None without experts."""
        if self.expert_probability is None:
            return None
        code = self.expert_probability.argmax(axis=1).astype(np.int32)
        return code if self.informative is None else np.where(self.informative, code, np.int32(-1))

    def spread_over(self, informative: NDArray[np.bool_]) -> VelocityField:
        """Return the field of all cells, (cells,) of which ``informative`` are those of this one; the others are 0.

        Their time and embedding are NaN.
        """

        def spread(name: str, value: NDArray[Any]) -> NDArray[Any]:
            blank = np.nan if name in ("time", "embedding") else 0
            result = np.full((len(informative), *value.shape[1:]), blank, dtype=value.dtype)
            result[informative] = value
            return result

        changed: dict[str, Any] = {name: spread(name, value) for name, value in self._of_cells()}
        return replace(self, informative=informative, **changed)

    def of_informative(self) -> VelocityField:
        """Return the field of the informative cells alone; itself if those are all."""
        if self.informative is None:
            return self
        changed: dict[str, Any] = {name: value[self.informative] for name, value in self._of_cells()}
        return replace(self, informative=None, **changed)

    def _of_cells(self) -> Iterator[tuple[str, Any]]:
        """Yield what has a row per cell, by name."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray) and each.name not in ("informative", "gene_weight", "velocity_genes"):
                yield each.name, value
