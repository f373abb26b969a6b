"""The columns that may explain a target gene: TF, ligand-receptor and ligand-TF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.travlr.priors.pairs import SECRETED, LigandReceptor, select_pairs
from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigand, select_tf_ligands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.expression import Columns
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

REGULATOR, LIGAND_RECEPTOR, LIGAND_TF, EXTRA = 0, 1, 2, 3

# Expression at or below counts as none where a ligand is sent or a receptor listens.
SMALLEST_EXPRESSION = 1e-9
# A pair whose column varies less than this inside every cell type is not informative.
SMALLEST_DEVIATION = 1e-8


@dataclass(frozen=True, slots=True)
class Modulators:
    """What may regulate one target, in the order of the beta columns.

    Parameters
    ----------
    secreted
        For each ligand, whether its signal travels as far as the radius; a ligand has one reach, that of its
        first pair.
    extra
        Further genes, a group of their own.
    by_pair
        Use the signaling type of every ligand-receptor pair instead.
    """

    target: str
    regulators: tuple[str, ...]
    pairs: tuple[LigandReceptor, ...]
    tf_ligands: tuple[TfLigand, ...]
    secreted: Mapping[str, bool]
    extra: tuple[str, ...] = ()
    by_pair: bool = False

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """``TF``, ``Ligand$Receptor``, ``Ligand#TF`` and further genes."""
        return (
            *self.regulators,
            *(f"{pair.ligand}${pair.receptor}" for pair in self.pairs),
            *(f"{pair.ligand}#{pair.tf}" for pair in self.tf_ligands),
            *self.extra,
        )

    @property
    def groups(self) -> NDArray[np.int8]:
        """(modulators,) ``REGULATOR``, ``LIGAND_RECEPTOR``, ``LIGAND_TF`` or ``EXTRA``."""
        sizes = [len(part) for part in (self.regulators, self.pairs, self.tf_ligands, self.extra)]
        return np.repeat(np.array([REGULATOR, LIGAND_RECEPTOR, LIGAND_TF, EXTRA], dtype=np.int8), sizes)

    @property
    def products(self) -> tuple[tuple[int, str, bool, str], ...]:
        """Group, ligand, whether it is secreted, and receptor or TF of every pair."""
        reach = self.secreted
        return (
            *((LIGAND_RECEPTOR, pair.ligand, self.reaches_far(pair), pair.receptor) for pair in self.pairs),
            *((LIGAND_TF, pair.ligand, reach[pair.ligand], pair.tf) for pair in self.tf_ligands),
        )

    def reaches_far(self, pair: LigandReceptor) -> bool:
        """Return whether a ligand-receptor pair reaches as far as the radius."""
        return pair.signaling == SECRETED if self.by_pair else self.secreted[pair.ligand]

    def keeping(self, kept: NDArray[np.bool_]) -> Modulators:
        """Return the modulators for which ``kept``, (modulators,), is True."""
        left = iter(kept.tolist())
        parts: dict[str, Any] = {
            name: tuple(item for item in getattr(self, name) if next(left))
            for name in ("regulators", "pairs", "tf_ligands", "extra")
        }
        return replace(self, **parts)

    @property
    def ligands(self) -> tuple[str, ...]:
        """Ligands of both kinds of pairs, each once."""
        return tuple(dict.fromkeys([*(pair.ligand for pair in self.pairs), *(pair.ligand for pair in self.tf_ligands)]))

    @property
    def signals(self) -> tuple[tuple[str, bool], ...]:
        """The ligands with whether they are secreted."""
        return tuple((name, self.secreted[name]) for name in self.ligands)

    @property
    def genes(self) -> tuple[str, ...]:
        """All genes that the columns are made from and the target, each once."""
        listeners = (*(pair.receptor for pair in self.pairs), *(pair.tf for pair in self.tf_ligands))
        return tuple(dict.fromkeys((self.target, *self.regulators, *self.ligands, *listeners, *self.extra)))


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The columns of one target.

    Parameters
    ----------
    modulators
        What the columns are.
    x
        (cells, modulators) float32.
    y
        (cells,) float32 expression of the target.
    """

    modulators: Modulators
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    @property
    def names(self) -> tuple[str, ...]:
        """Modulator of each column."""
        return self.modulators.names

    @property
    def groups(self) -> NDArray[np.int8]:
        """(modulators,) ``REGULATOR``, ``LIGAND_RECEPTOR``, ``LIGAND_TF`` or ``EXTRA``."""
        return self.modulators.groups


def select_modulators(
    target: str,
    network: RegulatoryNetwork,
    genes: Sequence[str],
    means: Mapping[str, float],
    config: TravlrConfig,
) -> Modulators:
    """Choose what may regulate a target among the measured genes.

    Parameters
    ----------
    network
        Candidate regulation.
    means
        Mean expression of each gene; ranks the pairs when ``config.max_pairs`` limits them.
    """
    regulators = network.regulators_of(target, genes)
    pairs = select_pairs(network.pairs, genes, target)
    secreted: dict[str, bool] = {}
    for pair in pairs:
        secreted.setdefault(pair.ligand, pair.signaling == SECRETED)
    tf_ligands: tuple[TfLigand, ...] = ()
    if network.tf_ligands is not None:
        tf_ligands = select_tf_ligands(
            network.tf_ligands,
            target,
            tfs=regulators,
            ligands=secreted,
            cutoff=config.tf_ligand_cutoff,
            regulators=network.regulators if network.exclude_loops else {},
        )
    return Modulators(target, regulators, _most_expressed(pairs, means, config.max_pairs), tf_ligands, secreted)


class PairColumns:
    """Received ligand times expression, for any pair, made once for all targets that ask for it.

    Almost all pairs are those of every target. Whether a column varies is kept for all pairs, the columns themselves
    as long as they fit.

    Parameters
    ----------
    received
        (cells,) received ligand by name and whether it is secreted.
    codes
        (cells,) cell type; -1 for none.
    floats
        Numbers that may be kept.
    """

    def __init__(
        self,
        columns: Columns,
        received: Mapping[tuple[str, bool], NDArray[np.float32]],
        codes: NDArray[np.integer],
        floats: int = 0,
    ) -> None:
        self._columns, self._received, self._codes = columns, received, codes
        self._most = floats // max(1, len(codes))
        self._kept: dict[tuple[int, str, bool, str], NDArray[np.float32]] = {}
        self._varies: dict[tuple[int, str, bool, str], bool] = {}

    def column(self, kind: int, ligand: str, secreted: bool, listener: str) -> NDArray[np.float32]:
        """Return one column, (cells,); a receptor counts above zero only, a transcription factor as it is."""
        key = (kind, ligand, secreted, listener)
        found = self._kept.get(key)
        if found is None:
            heard = self._columns[listener]
            found = self._received[ligand, secreted] * (above_zero(heard) if kind == LIGAND_RECEPTOR else heard)
            if len(self._kept) < self._most:
                self._kept[key] = found
        return found

    def varies(self, kind: int, ligand: str, secreted: bool, listener: str) -> bool:
        """Return whether the column varies in some cell type."""
        key = (kind, ligand, secreted, listener)
        if key not in self._varies:
            self._varies[key] = varies(self.column(*key), self._codes)
        return self._varies[key]


def build_design(
    modulators: Modulators,
    columns: Columns,
    received: Mapping[tuple[str, bool], NDArray[np.float32]],
    codes: NDArray[np.integer],
    shared: PairColumns | None = None,
    *,
    keep_constant: bool = False,
) -> Design:
    """Make the columns of one target, without pairs that vary in no cell type.

    Parameters
    ----------
    received
        (cells,) received ligand by name and whether it is secreted.
    codes
        (cells,) cell type; -1 for none.
    shared
        Columns of pairs that other targets have as well.
    keep_constant
        Keep pairs that vary in no cell type.
    """
    products = shared or PairColumns(columns, received, codes)
    if not keep_constant:
        kept = np.ones(len(modulators), dtype=np.bool_)
        pairs = np.flatnonzero(np.isin(modulators.groups, (LIGAND_RECEPTOR, LIGAND_TF)))
        kept[pairs] = [products.varies(*pair) for pair in modulators.products]
        modulators = modulators.keeping(kept)
    x = np.empty((len(codes), len(modulators)), dtype=np.float32)
    for k, gene in enumerate(modulators.regulators):
        x[:, k] = columns[gene]
    for k, pair in enumerate(modulators.products, start=len(modulators.regulators)):
        x[:, k] = products.column(*pair)
    for k, gene in enumerate(modulators.extra, start=len(modulators) - len(modulators.extra)):
        x[:, k] = columns[gene]
    return Design(modulators, x, columns[modulators.target])


def above_zero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return expression with everything at or below 1e-9 set to 0."""
    return np.where(values > SMALLEST_EXPRESSION, values, np.float32(0))


def varies(values: NDArray[np.float32], codes: NDArray[np.integer]) -> bool:
    """Return whether the standard deviation inside some cell type reaches 1e-8."""
    types = np.unique(codes[codes >= 0])
    return any(float(values[codes == k].std(dtype=np.float64)) >= SMALLEST_DEVIATION for k in types)


def _most_expressed(
    pairs: tuple[LigandReceptor, ...], means: Mapping[str, float], limit: int
) -> tuple[LigandReceptor, ...]:
    """Return at most ``limit`` pairs, in their order, with the highest mean of ligand and receptor."""
    if not limit or len(pairs) <= limit:
        return pairs
    score = np.array([means[pair.ligand] + means[pair.receptor] for pair in pairs])
    kept = np.sort(np.argsort(-score, kind="stable")[:limit])
    return tuple(pairs[k] for k in kept)
