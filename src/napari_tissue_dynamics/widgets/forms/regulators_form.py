"""Which genes are fitted and what may regulate them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics.data.io.action_log import plain
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, rows, stacked
from napari_tissue_dynamics.widgets.forms.file_edit import FileEdit
from napari_tissue_dynamics.widgets.forms.target_edit import GenesEdit
from napari_tissue_dynamics.widgets.state.remembered import keep, last

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork

TABLES = "Tables (*.csv *.tsv *.parquet *.feather)"
LAST = "network"
BUNDLED, FROM_FILE, NO_PAIRS = "bundled pairs", "from a file", "none"

SUGGEST_TIP = (
    "Fill in the ten genes whose expression varies most in space: highest Moran's I (1 = neighbors are alike, "
    "0 = random), significant at an FDR of 5 %."
)


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """Choices of the user, before any file is read.

    Parameters
    ----------
    links, tf_ligands
        Files, or None.
    pairs
        ``"bundled"``, ``"none"`` or a file.
    """

    targets: tuple[str, ...]
    regulators: tuple[str, ...]
    links: Path | None
    pairs: str | Path
    tf_ligands: Path | None

    def files_and_regulators(self) -> dict[str, Any]:
        """Return what the network of the targets is made of, by the names of :func:`.build_network`."""
        return {
            "regulators": self.regulators,
            "links": self.links,
            "pairs": self.pairs,
            "tf_ligands": self.tf_ligands,
        }

    def network(self, genes: Sequence[str]) -> RegulatoryNetwork:
        """Read the files and return the network; to be called in a worker."""
        from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network

        return build_network(genes, self.targets, **self.files_and_regulators())


class NetworkForm(QWidget):
    """Fields for targets, regulators and ligand-receptor pairs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.targets, self.regulators = GenesEdit(), GenesEdit()
        self.targets.setPlaceholderText("comma-separated genes")
        self.regulators.setPlaceholderText("comma-separated genes")
        self.links = FileEdit("table of links", TABLES)
        self.pairs = QComboBox()
        self.pairs.addItems([BUNDLED, FROM_FILE, NO_PAIRS])
        self.pairs_file = FileEdit("table of ligand-receptor pairs", TABLES)
        self.tf_ligands = FileEdit("matrix of ligand-target scores", TABLES)
        fields = self._fields = rows()
        self.suggest = push_button("Suggest targets", SUGGEST_TIP)
        add_row(fields, "Target genes", self.targets, "The genes whose regulation is fitted.")
        fields.addRow(self.suggest)
        tip = "Transcription factors that may regulate all targets."
        add_row(fields, "Regulators", self.regulators, tip)
        tip = "Table with the columns source and target, used when no regulators are given above."
        add_row(fields, "or links from", self.links.line, tip, inside=self.links)
        tip = "Signals between cells: pairs that come with the package liana, your own table, or none."
        add_row(fields, "Ligand-receptor", self.pairs, tip)
        tip = "Table with the columns ligand and receptor."
        add_row(fields, "Pairs file", self.pairs_file.line, tip, inside=self.pairs_file)
        tip = "Matrix of ligand-target scores for ligand-TF pairs; optional."
        add_row(fields, "Ligand-TF scores", self.tf_ligands.line, tip, inside=self.tf_ligands)
        stacked(self, fields)
        self.pairs.currentTextChanged.connect(self._pairs_changed)
        self._take_last_files()
        self._pairs_changed(self.pairs.currentText())
        self._genes: Sequence[str] = ()

    def offer(self, genes: Sequence[str]) -> None:
        """Suggest genes while names are typed; of another tissue also those of the last run that it has."""
        self.targets.offer(genes)
        self.regulators.offer(genes)
        if genes is not self._genes:
            self._genes, measured = genes, set(genes)
            for name in ("targets", "regulators"):
                line = getattr(self, name)
                if not line.genes():
                    line.set_genes(gene for gene in last(LAST, {}).get(name, ()) if gene in measured)

    def keep(self, choice: NetworkChoice) -> None:
        """Let the next dock begin with what was chosen; all genes of a tissue are nobody's choice."""
        keep(LAST, {**plain(choice.files_and_regulators()), "targets": self.targets.genes()})

    def value(self, all_genes: Sequence[str] = ()) -> NetworkChoice:
        """Return what is chosen.

        Parameters
        ----------
        all_genes
            Targets in place of those that are named.

        Raises
        ------
        DataError
            If no target is named or the pairs file is not chosen.
        """
        targets = tuple(all_genes) or self.targets.genes()
        if not targets:
            raise DataError("No target gene is given. Type at least one gene into 'Target genes'.")
        pairs: str | Path | None = {BUNDLED: "bundled", NO_PAIRS: "none"}.get(self.pairs.currentText())
        if pairs is None:
            pairs = self.pairs_file.path()
        if pairs is None:
            raise DataError("No file with ligand-receptor pairs is chosen. Browse for one or choose 'none'.")
        links, scores = self.links.path(), self.tf_ligands.path()
        return NetworkChoice(targets, self.regulators.genes(), links, pairs, scores)

    def _take_last_files(self) -> None:
        known = last(LAST, {})
        pairs = known.get("pairs", "bundled")
        words = {"bundled": BUNDLED, "none": NO_PAIRS}.get(pairs, FROM_FILE)
        files = [(self.links, known.get("links")), (self.tf_ligands, known.get("tf_ligands"))]
        for edit, file in [*files, (self.pairs_file, pairs if words == FROM_FILE else None)]:
            if file and Path(file).is_file():
                edit.line.setText(file)
        self.pairs.setCurrentText(words if words != FROM_FILE or self.pairs_file.path() else BUNDLED)

    def _pairs_changed(self, choice: str) -> None:
        self.pairs_file.setEnabled(choice == FROM_FILE)
        self._fields.setRowVisible(self.pairs_file, choice == FROM_FILE)
