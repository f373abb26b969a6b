"""What the inspector shows of a cell, made ready in a thread so that a click is answered at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
from napari_tissue_dynamics.analysis.cells.cell_report import Reporter
from napari_tissue_dynamics.analysis.regulation.beta_report import beta_report
from napari_tissue_dynamics.analysis.regulation.modulator_values import ModulatorValues
from napari_tissue_dynamics.errors import TissueDynamicsError
from napari_tissue_dynamics.widgets.state.jobs import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_tissue_dynamics.analysis.cells.cell_report import CellReport
    from napari_tissue_dynamics.analysis.regulation.beta_report import BetaReport
    from napari_tissue_dynamics.widgets.state.workspace import Workspace

MOST_KEPT = 6
"""Genes whose values are kept; more would fill the memory of large tissues."""
CELLS = "cells"


class CellSource(QObject):
    """Reports of single cells of a workspace.

    What all cells need (spreads of the genes, expression behind the modulators of a target) is gathered once in a
    thread; until then there is no report, and ``ready`` is emitted when there is one.
    """

    ready = Signal()
    failed = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._made: dict[str, Any] = {}
        self._asked: set[str] = set()
        self._turn = 0

    def forget(self) -> None:
        """Drop what belongs to earlier results."""
        self._turn += 1
        self._made.clear()
        self._asked.clear()

    def report(self, cell: int) -> CellReport | None:
        """Return the report of a cell; None while it is being computed."""
        tissue, velocity = self._workspace.tissue, self._workspace.velocity
        if tissue is None:
            return None
        field = None if velocity is None else velocity.field
        fates, names = fates_of(self._workspace)
        made = self._get(CELLS, lambda: (Reporter.of(tissue, field, fates, names), cell_spacing(tissue.positions)))
        if made is None:
            return None
        report: CellReport = made[0].report(cell)
        return report

    @property
    def spacing(self) -> float:
        """Distance of neighboring cells; 0 while it is being gathered with the reports."""
        return float(self._made[CELLS][1]) if CELLS in self._made else 0.0

    def betas(self, target: str, cell: int) -> BetaReport | None:
        """Return what regulates a target in a cell; None while it is being gathered."""
        values = self.values(target)
        tissue, regulation = self._workspace.tissue, self._workspace.regulation
        if values is None or tissue is None or regulation is None:
            return None
        return beta_report(tissue, regulation[target], values, cell)

    def values(self, target: str) -> ModulatorValues | None:
        """Return what the modulators of a target are worth; None while it is being gathered."""
        tissue, regulation = self._workspace.tissue, self._workspace.regulation
        if tissue is None or regulation is None:
            return None
        config = self._workspace.regulation_config
        return self._get(f"beta {target}", lambda: ModulatorValues.of(tissue, regulation[target], config))

    def _get(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._made and key not in self._asked:
            self._asked.add(key)
            create_worker(_tried, self._turn, key, make, _connect={"returned": self._take})
        return self._made.get(key)

    def _take(self, found: tuple[int, str, Any]) -> None:
        turn, key, made = found
        if turn != self._turn:
            return
        if isinstance(made, Exception):
            self.failed.emit(str(made) if isinstance(made, TissueDynamicsError) else explain(made))
            return
        self._asked.discard(key)
        others = [each for each in self._made if each != CELLS]
        if key != CELLS and len(others) >= MOST_KEPT:
            del self._made[others[0]]
        self._made[key] = made
        self.ready.emit()


def fates_of(workspace: Workspace) -> tuple[Any, tuple[str, ...]]:
    """Return (cells, fates) probabilities and names of the fates, None and none without them."""
    fate = workspace.fate
    if fate is None:
        return None, ()
    return fate.probabilities, fate.names


def _tried(turn: int, key: str, make: Callable[[], Any]) -> tuple[int, str, Any]:
    """Return what ``make`` returns or the error it ends with, as a worker reports no RuntimeError."""
    try:
        return turn, key, make()
    except Exception as error:  # noqa: BLE001  # the dock reports it in a sentence
        return turn, key, error
