"""Which velocity model is fitted, and its settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_tissue_dynamics.kinetic_models.config import KineticsConfig, Model
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.widgets.forms.fields import add_row, rows, sentences, stacked
from napari_tissue_dynamics.widgets.forms.form import Form
from napari_tissue_dynamics.widgets.state.preferences import Preferences, preferences, with_preferences
from napari_tissue_dynamics.widgets.state.remembered import keep, keep_settings, last, last_settings

if TYPE_CHECKING:
    from typing import TypeAlias

    Settings: TypeAlias = SteerConfig | KineticsConfig

STEER = "STEER"
LAST_MODEL = "velocity model"
SPOKEN = {"dynamical": "dynamical", "stochastic": "stochastic", "steady_state": "steady-state"}
"""How each kinetic model is named."""
ABOUT = {
    STEER: "Groups of cells with kinetics of their own, learned by a network. Minutes; best on spatial data.",
    "dynamical": "The whole course of induction and repression of every gene. Seconds to minutes.",
    "stochastic": "Slopes of the phase portraits from means and variances. Seconds.",
    "steady_state": "Slopes of the phase portraits in the extreme cells. Seconds.",
}
STEER_ESSENTIAL = ("n_experts", "keep_genes", "velocity_epochs", "device", "seed")
KINETIC_ESSENTIAL = ("n_top_genes", "n_neighbors", "min_shared_counts", "seed")
# Settings that are of no use to the other kinetic models.
OF_CURVES = ("max_iter", "fit_scaling", "min_likelihood", "device")
OF_LINES = ("extremes", "quantile", "fit_offset")


class ModelForm(QWidget):
    """Chooses STEER or a kinetic model and shows the settings of the chosen one."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = QComboBox()
        for name in (STEER, *sorted(get_args(Model))):
            self.model.addItem(SPOKEN.get(name, name), name)
        self.about = sentences("About the model")
        self.steer: Form[SteerConfig] = Form(SteerConfig, STEER_ESSENTIAL)
        self.kinetics: Form[KineticsConfig] = Form(KineticsConfig, KINETIC_ESSENTIAL)
        self.kinetics.show_field("model", visible=False)
        self.steer.set_value(with_preferences(last_settings(SteerConfig())))
        self.kinetics.set_value(with_preferences(last_settings(KineticsConfig())))
        first = preferences().velocity_model
        if first == Preferences().velocity_model:  # no wish: the last one is
            first = last(LAST_MODEL, first)
        self.model.setCurrentIndex(max(0, self.model.findData(first)))
        fields = rows()
        add_row(fields, "Model", self.model, "How velocities are estimated from unspliced and spliced RNA.")
        stacked(self, fields, self.about, self.steer, self.kinetics)
        self.model.currentIndexChanged.connect(self._chosen)
        for form in (self.steer, self.kinetics):
            form.changed.connect(self.changed)
        self._chosen()

    @property
    def is_steer(self) -> bool:
        """Whether the chosen model is STEER."""
        return bool(self.model.currentData() == STEER)

    def value(self) -> Settings:
        """Return the settings of the chosen model."""
        if self.is_steer:
            return self.steer.value()
        return replace(self.kinetics.value(), model=self.model.currentData())

    def keep(self) -> None:
        """Let the next dock begin with the chosen model and its settings."""
        keep(LAST_MODEL, self.model.currentData())
        keep_settings(self.value())

    def set_value(self, settings: Settings) -> None:
        """Choose the model that these settings are of, and show them."""
        if isinstance(settings, SteerConfig):
            self.steer.set_value(settings)
            self.model.setCurrentIndex(self.model.findData(STEER))
        else:
            self.kinetics.set_value(settings)
            self.model.setCurrentIndex(self.model.findData(settings.model))

    def _chosen(self, _: int = 0) -> None:
        name = self.model.currentData()
        self.about.setText(ABOUT[name])
        self.steer.setVisible(self.is_steer)
        self.kinetics.setVisible(not self.is_steer)
        for field in OF_CURVES:
            self.kinetics.show_field(field, visible=name == "dynamical")
        for field in OF_LINES:
            self.kinetics.show_field(field, visible=name != "dynamical")
        self.changed.emit()
