"""Which cells send the ligand that one cell receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.analysis.regulation.modulator_values import genes_of
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.design import SMALLEST_EXPRESSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.regulation.modulator_values import ModulatorValues
    from napari_tissue_dynamics.data.tissue import Labels


@dataclass(frozen=True, slots=True, eq=False)
class Senders:
    """Where the ligand that one cell receives comes from.

    Parameters
    ----------
    receiver
        Number of the cell that receives, counted from 0.
    modulator
        ``Ligand$Receptor`` or ``Ligand#TF``.
    cells
        (senders,) cells that express the ligand, the largest signal first; the receiver may be one of them.
    signals
        (senders,) float64 what of each arrives, in the unit of the expression; they add up to ``received``.
    listening
        Expression of the receptor (or transcription factor) in the cell; NaN when it was not measured.
    radius
        Reach of the ligand in the unit of the positions: the standard deviation of the gaussian kernel, where 61 % of
        a signal is left, or the distance at which the truncated kernel ends.
    """

    receiver: int
    modulator: str
    cells: NDArray[np.intp]
    signals: NDArray[np.float64]
    received: float
    listening: float
    radius: float

    @property
    def shares(self) -> NDArray[np.float64]:
        """(senders,) share of the received ligand."""
        return self.signals / self.received if self.received > 0 else np.zeros_like(self.signals)

    def strongest(self, share: float, most: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the fewest senders that make up ``share`` of the signal, at most ``most``, and their shares."""
        shares = self.shares
        enough = int(np.searchsorted(np.cumsum(shares), share - 1e-12)) + 1
        kept = slice(0, min(enough, most, len(shares)))
        return self.cells[kept], shares[kept]

    def by_type(self, labels: Labels) -> Mapping[str, float]:
        """Return the share of the received ligand that each cell type sends, the largest first."""
        sums = np.bincount(labels.codes[self.cells] + 1, weights=self.shares, minlength=len(labels.categories) + 1)
        names = ("unassigned", *labels.categories)
        order = np.argsort(-sums, kind="stable")
        return {names[k]: float(sums[k]) for k in order if sums[k] > 0}


def senders_of(values: ModulatorValues, modulator: str, cell: int) -> Senders:
    r"""Return what every cell sends to one cell.

    .. math:: m_{ij} = \frac{\text{scale}}{n} K_r(|s_i - s_j|) \, E_j

    the terms of the sum that is the received ligand of the fit. Senders whose signal is below a millionth of the
    largest are excluded from the list, but not from ``received``.

    Parameters
    ----------
    values
        What the modulators of a gene are made of.
    modulator
        One of them, with a ligand.
    cell
        The cell that receives, counted from 0.

    Raises
    ------
    DataError
        If the modulator has no ligand or its ligand was not measured, or there is no such cell.
    """
    parts = genes_of(modulator)
    if len(parts) < 2:
        raise DataError(
            f"{modulator} is a transcription factor and needs no sender. "
            "Choose a ligand-receptor pair (L$R) or a ligand-TF pair (L#TF)."
        )
    if not 0 <= cell < len(values.positions):
        raise DataError(f"There is no cell {cell}; the tissue has {len(values.positions)} cells, counted from 0.")
    ligand, listener = parts
    if ligand not in values.genes:
        raise DataError(f"The ligand {ligand} of {modulator} was not measured in this tissue. Choose another pair.")
    radius = values.reach.distance(ligand, values.contact_ligands)
    sent = values.gene(ligand).astype(np.float64)
    sending = np.flatnonzero(sent > SMALLEST_EXPRESSION)
    weights = values.reach.weights(values.positions, values.positions[cell], radius)
    signals = weights[sending] * sent[sending]
    received = float(signals.sum())
    kept = np.flatnonzero(signals > 1e-6 * signals.max(initial=0))
    order = kept[np.argsort(-signals[kept], kind="stable")]
    listening = float(values.gene(listener)[cell])
    return Senders(cell, modulator, sending[order], signals[order], received, listening, radius)
