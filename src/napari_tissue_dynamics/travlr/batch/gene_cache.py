"""Where the genes of a run are kept, and which of them are its own to fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_tissue_dynamics.data.beta_factors import BetaFactors
from napari_tissue_dynamics.data.regulation_field import RegulationField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.batch.gene_locks import Claims
from napari_tissue_dynamics.travlr.batch.run_manifest import RunRecord, hash_of
from napari_tissue_dynamics.travlr.batch.store import BetaStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.regulation_field import GeneFit
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.fit_inputs import Ground

CLAIMS = "claims"


@dataclass(slots=True, eq=False)
class Keep:
    """Where finished genes are: in memory, or in a store that is shared with other runs.

    Parameters
    ----------
    store, claims
        The store and what this run has claimed of it; None for memory.
    fits, bases
        Genes in memory, and the functions that they share, by content.
    """

    store: BetaStore | None
    claims: Claims | None
    fits: dict[str, GeneFit] = field(default_factory=dict)
    bases: dict[str, tuple[NDArray[np.float32], NDArray[np.int32]]] = field(default_factory=dict)

    @classmethod
    def of(cls, ground: Ground, config: TravlrConfig, path: Path | None) -> Keep:
        """Return the store in a directory, or memory where there is none.

        Raises
        ------
        DataError
            If the directory holds another run or cannot be written.
        """
        if path is None:
            return cls(None, None)
        store = BetaStore.start(path, RunRecord.of(ground, config), ground.tissue)
        return cls(store, Claims(store.path / CLAIMS))

    def __enter__(self) -> Keep:
        return self

    def __exit__(self, *_: object) -> None:
        if self.claims is not None:
            self.claims.release_all()

    def has(self, target: str, candidates: str) -> bool:
        """Return whether a gene is there already.

        Raises
        ------
        DataError
            If it is, but was fitted with other regulators.
        """
        if self.store is None or target not in self.store:
            return target in self.fits
        if self.store.candidates(target) != candidates:
            raise DataError(
                f"{self.store.path} holds {target} fitted with different regulators, pairs or limits. "
                "Use the same ones to resume, or choose another folder."
            )
        return True

    def take(self, target: str) -> bool:
        """Return whether this run may fit a gene, and keep others from doing so."""
        return self.claims is None or self.claims.take(target)

    def release(self, target: str) -> None:
        """Signal that this run no longer fits a gene."""
        if self.claims is not None:
            self.claims.release(target)

    def touch(self) -> None:
        """Signal that this run is alive."""
        if self.claims is not None:
            self.claims.touch()

    def write(self, fit: GeneFit, candidates: str) -> GeneFit:
        """Keep a gene; returns it as it is kept."""
        if self.store is not None:
            return self.store.write(fit, candidates)
        if isinstance(fit.coefficients, BetaFactors):
            fit = replace(fit, coefficients=self._with_one_basis(fit.coefficients))
        self.fits[fit.target] = fit
        return fit

    def write_failure(self, target: str, reason: str) -> None:
        """Keep why a gene has no fit."""
        if self.store is not None:
            self.store.write_failure(target, reason)

    def field(self, targets: Sequence[str], failed: Mapping[str, str]) -> RegulationField:
        """Return the genes that are there, in the order of ``targets``, and why others are not.

        It counts as stopped when there is neither a fit nor a reason for some gene.
        """
        if self.store is None:
            found = tuple(self.fits[target] for target in targets if target in self.fits)
        else:
            found = tuple(self.store.gene(target) for target in targets if target in self.store)
        there = {fit.target for fit in found}
        reasons = {target: reason for target, reason in failed.items() if target not in there}
        return RegulationField(found, stopped=len(found) + len(reasons) < len(targets), failed=reasons)

    def _with_one_basis(self, factors: BetaFactors) -> BetaFactors:
        """Return the factors with the functions that other genes have, so that they are held once."""
        name = hash_of(factors.basis, factors.codes)
        basis, codes = self.bases.setdefault(name, (factors.basis, factors.codes))
        return replace(factors, basis=basis, codes=codes)
