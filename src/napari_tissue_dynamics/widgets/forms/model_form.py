"""Which velocity model is fitted, and its settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.widgets.forms.fields import add_row, rows, sentences
from napari_tissue_dynamics.widgets.forms.form import Form
from napari_tissue_dynamics.widgets.state.preferences import Preferences, preferences, with_preferences
from napari_tissue_dynamics.widgets.state.remembered import keep, keep_settings, last, last_settings
from napari_tissue_dynamics.workflow.models import MODELS, model_of

if TYPE_CHECKING:
    from napari_tissue_dynamics.workflow.models import VelocityModel

LAST_MODEL = "velocity model"


class ModelForm(QWidget):
    """Chooses a velocity model and shows its settings.

    Models that share a settings class share a form.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = QComboBox()
        for row in MODELS.values():
            self.model.addItem(row.label, row.name)
        self.about = sentences("About the model")
        self.forms: dict[type, Form[Any]] = {}
        for row in MODELS.values():
            if row.settings not in self.forms:
                form: Form[Any] = Form(row.settings, row.essential)
                form.set_value(with_preferences(last_settings(row.settings())))
                self.forms[row.settings] = form
        first = preferences().velocity_model
        if first == Preferences().velocity_model:  # no choice was made there: the last one is
            first = str(last(LAST_MODEL, first))
        self.model.setCurrentIndex(max(0, self.model.findData(first)))
        fields = rows()
        add_row(fields, "Model", self.model, "How velocities are estimated from unspliced and spliced RNA.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(fields)
        for widget in (self.about, *self.forms.values()):
            layout.addWidget(widget)
        self.model.currentIndexChanged.connect(self._chosen)
        for form in self.forms.values():
            form.changed.connect(self.changed)
        self._chosen()

    @property
    def model_row(self) -> VelocityModel:
        """The chosen model."""
        return MODELS[self.model.currentData()]

    @property
    def steer(self) -> Form[SteerConfig]:
        """The form of STEER, for the tools that only it has."""
        return self.forms[SteerConfig]

    @property
    def kinetics(self) -> Form[KineticsConfig]:
        """The form that the kinetic models share."""
        return self.forms[KineticsConfig]

    def value(self) -> Any:
        """Return the settings of the chosen model."""
        row = self.model_row
        return replace(self.forms[row.settings].value(), **row.chosen)

    def keep(self) -> None:
        """Let the next dock begin with the chosen model and its settings."""
        keep(LAST_MODEL, self.model.currentData())
        keep_settings(self.value())

    def set_value(self, settings: Any) -> None:
        """Choose the model that these settings belong to, and show them."""
        row = model_of(settings)
        self.forms[row.settings].set_value(settings)
        self.model.setCurrentIndex(self.model.findData(row.name))

    def _chosen(self, _: int = 0) -> None:
        chosen = self.model_row
        self.about.setText(chosen.about)
        for settings, form in self.forms.items():
            form.setVisible(settings is chosen.settings)
        sharing = [row for row in MODELS.values() if row.settings is chosen.settings]
        for field in {name for row in sharing for name in row.unused}:
            self.forms[chosen.settings].show_field(field, visible=field not in chosen.unused)
        self.changed.emit()
