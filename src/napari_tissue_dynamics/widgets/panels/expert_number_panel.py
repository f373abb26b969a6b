"""Estimate of the number of experts, before a network is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_tissue_dynamics.widgets.forms.fields import sentences, stacked
from napari_tissue_dynamics.widgets.panels.run_panel import RunPanel
from napari_tissue_dynamics.widgets.plots.expert_curve import NAMES, TIP, ExpertCurve, experts

if TYPE_CHECKING:
    from napari_tissue_dynamics.steer.prior.n_experts import ExpertNumber


class ExpertNumberPanel(QWidget):
    """A button that estimates the number of experts, what came out and the curves behind it."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run_panel = RunPanel("Estimate", "Estimate the number of experts before training.")
        self.words = sentences("Estimated number of experts")
        self.curve = ExpertCurve()
        self.curve.chosen.connect(self.chosen.emit)
        stacked(self, self.run_panel, self.words, self.curve)
        self.show_result(None)

    def show_result(self, result: ExpertNumber | None) -> None:
        """Show an estimate; None takes the last one away."""
        self.curve.show_result(result)
        self.words.setVisible(result is not None)
        self.words.setText("" if result is None else in_words(result))
        self.words.setToolTip("" if result is None else f"<p>{TIP}</p>")


def in_words(result: ExpertNumber) -> str:
    """Return what an estimate recommends, in two sentences."""
    others = ", ".join(
        f"{name} {result.recommendations[method]}" for method, name in NAMES.items() if method != result.method
    )
    text = f"Recommended: {experts(result.recommended)} ({NAMES[result.method]}). By other measures: {others}."
    if result.method == "stability" and result.recommended == 1:
        text += " No division of the cells came back reliably; groups that flow into each other look like one."
    return f"{text} Click a number to use it."
