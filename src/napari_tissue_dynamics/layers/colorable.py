"""Everything the cells of a tissue can be colored by: found by typing, read when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels, column
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.coloring import Values
from napari_tissue_dynamics.layers.points import expert_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.io.table import Source
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField

Group = Literal["column", "result", "gene", "velocity", "beta"]
GROUPS: dict[Group, str] = {
    "column": "column",
    "result": "result",
    "gene": "gene",
    "velocity": "velocity",
    "beta": "regulation",
}
"""Kinds of entries in the order in which they are listed, and what they are called."""
SEPARATORS = " _-.:"
RANKED = 2000
"""How many entries are put into order at most; the others are counted only."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that cells can be colored by: its kind and its name."""

    group: Group
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Where values come from.

    Parameters
    ----------
    source
        The file they came from, None for simulated tissues.
    velocity
        Velocities, or None.
    regulation
        Betas, or None.
    results
        Further values of every cell by name, in the order in which they are listed.
    """

    tissue: Tissue
    source: Source | None = None
    columns: tuple[str, ...] = ()
    velocity: VelocityField | None = None
    regulation: RegulationField | None = None
    results: Mapping[str, Labels | Values] = field(default_factory=dict)

    def names(self) -> dict[Group, Sequence[str]]:
        """Return the names of all entries, by kind."""
        types = self.tissue.cell_types
        own = () if types is None or types.name in self.columns else (types.name,)
        velocities = () if self.velocity is None else self.velocity.genes
        return {
            "column": (*own, *self.columns),
            "result": tuple(self._results()),
            "gene": self.tissue.genes,
            "velocity": tuple(f"{gene} velocity" for gene in velocities),
            "beta": tuple({} if self.regulation is None else self.regulation.betas),
        }

    def read(self, entry: Entry) -> Labels | Values:
        """Return the values of an entry; this may read a file.

        Raises
        ------
        DataError
            If the tissue, its file or its results have no such entry.
        """
        if entry.group == "column":
            return self._column(entry.name)
        if entry.group == "gene":
            return self._gene(entry.name)
        if entry.group == "velocity":
            return self._velocity(entry.name.removesuffix(" velocity"))
        if entry.group == "beta":
            return self._beta(entry.name)
        found = self._results().get(entry.name)
        if found is None:
            raise DataError(f"No result {entry.name!r} is available. Fit a model first, or choose another entry.")
        return found

    def _results(self) -> dict[str, Labels | Values]:
        return {**({} if self.velocity is None else field_values(self.velocity)), **self.results}

    def _column(self, name: str) -> Labels | Values:
        from napari_tissue_dynamics.data.io.file_contents import obs_column

        types = self.tissue.cell_types
        if types is not None and types.name == name:
            return types
        if self.source is None:
            raise DataError(f"{self.tissue.source} has no column {name!r}. Choose another entry.")
        found = obs_column(self.source, name)
        if isinstance(found, Labels):
            codes = self._of_tissue(found.codes)
            return Labels(found.name, codes, found.categories, found.colors, found.ordered)
        return Values(self._of_tissue(found.astype(np.float32)))

    def _gene(self, gene: str) -> Values:
        from napari_tissue_dynamics.data.io.file_contents import gene_column

        tissue = self.tissue
        counts = next((each for each in (tissue.expression, tissue.spliced) if each is not None), None)
        if counts is not None:
            what = "expression" if tissue.expression is not None else "spliced counts"
            return Values(column(counts, tissue.gene_index(gene)), note=what)
        if self.source is None:
            raise DataError(f"{tissue.source} has no expression. Load a table with counts.")
        return Values(self._of_tissue(gene_column(self.source, gene)), note="X of the file")

    def _velocity(self, gene: str) -> Values:
        if self.velocity is None or gene not in self.velocity.genes:
            raise DataError(f"No velocity for {gene!r}. Fit a velocity model with this gene first.")
        numbers = self.velocity.spliced[:, self.velocity.genes.index(gene)]
        return Values(
            np.array(numbers), signed=True, note=f"above 0 the spliced RNA of {gene} increases, below 0 it decreases"
        )

    def _beta(self, pair: str) -> Values:
        key = None if self.regulation is None else self.regulation.betas.get(pair)
        if self.regulation is None or key is None:
            raise DataError(f"No betas for {pair!r}. Fit the gene with SpaceTravLR first.")
        numbers = np.array(self.regulation[key.target].beta(key.modulator), dtype=np.float32)
        return Values(numbers, signed=True, note=f"above 0 raises {key.target}, below 0 lowers it")

    def _of_tissue(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of all cells of the file for those of the tissue, which may be some of them."""
        from napari_tissue_dynamics.data.io.file_contents import rows_of
        from napari_tissue_dynamics.data.io.table import open_table

        if len(values) == self.tissue.n_cells or self.source is None:
            return values
        with open_table(self.source) as table:
            rows = rows_of(table, self.tissue.cells)
        return values if rows is None else values[rows]


def field_values(velocity: VelocityField) -> dict[str, Labels | Values]:
    """Return the values of every cell from a velocity model, by name."""
    found: dict[str, Labels | Values] = {}
    if velocity.time is not None:
        found["latent time"] = Values(velocity.time, limits=(0.0, 1.0), note="0 is the earliest cell, 1 the latest")
    if velocity.expert_probability is not None:
        found["expert"] = expert_labels(velocity.expert_probability)
        for k, weight in enumerate(velocity.expert_probability.T):
            found[f"expert {k} weight"] = Values(np.array(weight), limits=(0.0, 1.0))
    return found


class Catalog:
    """Names of entries, ready to be searched.

    Parameters
    ----------
    names
        Names of the entries of each kind.
    """

    def __init__(self, names: Mapping[Group, Iterable[str]]) -> None:
        self._entries = [(group, name) for group in GROUPS for name in names.get(group, ())]
        self._lower = [name.lower() for _, name in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry: Entry) -> bool:
        return (entry.group, entry.name) in self._entries

    def search(self, text: str, limit: int = 100) -> tuple[list[Entry], int]:
        """Return the entries that hold every word of ``text``, the closest first, and how many there are.

        An entry that is the text comes before those that begin with it, then those with a part that does, then the
        others; among equals columns before results, genes, velocities and betas. Without a text the first entries
        are returned.

        Parameters
        ----------
        text
            Words in any order; upper and lower case are the same.
        """
        words = [word for word in text.lower().split() if word != "←"]
        if not words:
            return [Entry(*each) for each in self._entries[:limit]], len(self)
        whole, first, others = " ".join(words), words[0], words[1:]
        names = self._lower
        hits = [i for i, name in enumerate(names) if first in name]
        for word in others:
            hits = [i for i in hits if word in names[i]]
        ranked = hits
        if len(hits) > RANKED:  # a letter or two: what begins with them will do
            ranked = list(dict.fromkeys([i for i in hits if names[i].startswith(whole)][:RANKED] + hits[:RANKED]))
        ranked = sorted(ranked[:RANKED], key=lambda i: _closeness(names[i], names[i].find(first), whole))
        return [Entry(*self._entries[i]) for i in ranked[:limit]], len(hits)


def _closeness(name: str, at: int, whole: str) -> int:
    if name == whole:
        return 0
    if at == 0:
        return 1
    return 2 if name[at - 1] in SEPARATORS else 3
