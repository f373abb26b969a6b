"""A settings dataclass as a form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Interval, Le, Lt
from magicgui.widgets import create_widget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from napari_tissue_dynamics.descriptions import groups_of, parameter_texts, setting_types, setting_values, with_settings
from napari_tissue_dynamics.widgets.forms.device_choice import DeviceChoice
from napari_tissue_dynamics.widgets.forms.fields import add_row, push_button, rows, stacked
from napari_tissue_dynamics.widgets.forms.number_box import IntBox, NumberBox
from napari_tissue_dynamics.widgets.forms.section import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Settings = TypeVar("Settings")

LARGEST_INT = 2**31 - 1
DEVICE = "device"
SMALLEST = 1e-15  # what stands for "above zero"
SCHEDULES = {
    "schedule": {"quick": "Quick", "fast": "Thorough", "full": "Publication"},
    "profile": {"fast": "Quick", "full": "Publication"},
}
"""By the method that gives them: starting values and what they are called."""
ZERO = {
    "n_experts": "automatic",
    "n_states": "automatic",
    "radius": "automatic",
    "contact_distance": "automatic",
    "waves": "automatic",
    "max_modulators": "all",
    "max_pairs": "all",
    "permutations": "no test",
    "velocity_batch": "all cells",
    "cell_batch": "all cells",
    "tissue_smoothing": "none",
    "min_shared_counts": "all genes",
}
"""What zero means, by the name of the setting, in place of the number."""
SPELLED = {"tf": "TF", "pcs": "components", "r2": "R²", "ard": "ARD", "l1": "L1", "reg": "penalty", "dim": "size"}
"""Parts of names that people write otherwise."""
OWN = "Custom"
"""Text of the preset combo when the fields match none of them."""


class Form(QWidget, Generic[Settings]):
    """Fields for every setting of a frozen settings dataclass.

    The essential settings are always in sight, the others unfold under "Advanced", those of a group of
    settings in a section of their own. Ranges come from the
    annotations, tooltips from the docstring of the class. A settings class with ``schedule(name, profile)`` or
    ``profile(name)`` gets a combo that sets all fields in which they differ.

    Parameters
    ----------
    essential
        Names of the fields that are always in sight, in order.
    """

    changed = Signal()

    def __init__(
        self, settings_type: type[Settings], essential: Sequence[str] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._type = settings_type
        self._editors: dict[str, _Editor] = {}
        self._rows: dict[str, QFormLayout] = {}
        hints, first = setting_types(settings_type), setting_values(settings_type())
        texts = parameter_texts(settings_type)
        grouped = {name for group in groups_of(settings_type).values() for name in setting_types(group)}
        basic, advanced, published = rows(), rows(), rows()
        self._preset = next((name for name in SCHEDULES if hasattr(settings_type, name)), None)
        self.preset = None if self._preset is None else self._add_preset(basic, self._preset)
        for name in [*essential, *(name for name in hints if name not in essential)]:
            editor = _Editor(name, hints[name], first[name], texts.get(name, ""))
            editor.on_change(self.changed.emit)
            self._editors[name] = editor
            self._rows[name] = basic if name in essential else published if name in grouped else advanced
            add_row(self._rows[name], spoken(name), editor.native, editor.tooltip)
        if DEVICE in self._editors and isinstance(self.editor(DEVICE), QComboBox):
            DeviceChoice(self.editor(DEVICE))
        self.changed.connect(self._name_preset)
        layout = stacked(self, basic)
        self.defaults = push_button("Reset to defaults", "Reset every setting of this form to its default value.")
        self.defaults.clicked.connect(lambda: self.set_value(settings_type()))
        many = advanced.rowCount()
        advanced.addRow(self.defaults)
        tooltip = "Show or hide settings that rarely need changing."
        self.advanced = _section("Advanced settings", advanced, tooltip)
        tooltip = "Show or hide settings needed only to reproduce a publication."
        self.published = _section("Options of the published method", published, tooltip)
        for section, some in ((self.advanced, many > 0), (self.published, bool(grouped))):
            layout.addWidget(section)
            section.setVisible(some)

    def value(self) -> Settings:
        """Return the settings shown in the form."""
        return with_settings(self._type(), {name: editor.get() for name, editor in self._editors.items()})

    def set_value(self, settings: Settings) -> None:
        """Show ``settings``."""
        values = setting_values(settings)
        for name, editor in self._editors.items():
            editor.set(values[name])

    def show_field(self, name: str, *, visible: bool) -> None:
        """Show or hide the row of one setting; a hidden one keeps its value."""
        self._rows[name].setRowVisible(self._editors[name].native, visible)

    def editor(self, name: str) -> QWidget:
        """Return the Qt field of one setting."""
        return self._editors[name].native

    def _add_preset(self, layout: QFormLayout, kind: str) -> QComboBox:
        combo = QComboBox()
        for name, words in SCHEDULES[kind].items():
            combo.addItem(words, name)
        combo.addItem(OWN)
        tip = "Set many fields at once: 'Quick' for a result in minutes, 'Publication' as published, in hours."
        add_row(layout, "Preset", combo, tip)
        combo.activated.connect(lambda index: self._take_preset(combo.itemData(index)))
        return combo

    def _presets(self) -> dict[str, dict[str, Any]]:
        """Return by the name of each preset what it sets: the fields in which the presets differ."""
        kind = str(self._preset)
        given = (self._editors["profile"].get(),) if kind == "schedule" else ()
        found = {name: setting_values(getattr(self._type, kind)(name, *given)) for name in SCHEDULES[kind]}
        differing = [name for name in self._editors if len({settings[name] for settings in found.values()}) > 1]
        return {name: {field: settings[field] for field in differing} for name, settings in found.items()}

    def _take_preset(self, name: str | None) -> None:
        for field, value in self._presets().get(str(name), {}).items():
            self._editors[field].set(value)
        self._name_preset()

    def _name_preset(self) -> None:
        """Show in the combo which preset the fields match."""
        if self.preset is not None:
            shown = (
                name
                for name, values in self._presets().items()
                if all(self._editors[field].get() == value for field, value in values.items())
            )
            name = next(shown, None)
            self.preset.setCurrentIndex(self.preset.count() - 1 if name is None else self.preset.findData(name))


class _Editor:
    """One field: a Qt widget with ``get`` and ``set``."""

    def __init__(self, name: str, hint: Any, default: Any, text: str) -> None:
        low, high, kind = bounds(hint)
        self.tooltip = _tooltip(text, low, high)
        if kind is float:
            self._make_number(low, high, default, ZERO.get(name, ""))
        elif kind is int:
            self._make_int(low, high, ZERO.get(name, ""))
            self.set(default)
        else:
            self._make_magic(name, kind, default)

    def _make_number(self, low: float | None, high: float | None, default: float, zero: str) -> None:
        box = NumberBox()
        box.setRange(-sys.float_info.max if low is None else low, sys.float_info.max if high is None else high)
        box.setSingleStep(abs(default) / 10 if default else 1.0)
        box.setSpecialValueText(zero if low == 0 else "")
        box.setValue(default)
        self.native: QWidget = box
        self.get: Callable[[], Any] = box.value
        self.set: Callable[[Any], None] = box.setValue
        self._changed = box.valueChanged

    def _make_int(self, low: int | None, high: int | None, zero: str) -> None:
        box = IntBox()
        box.setRange(-LARGEST_INT if low is None else low, LARGEST_INT if high is None else high)
        box.setSpecialValueText(zero if low == 0 else "")
        self.native = box
        self.get, self.set = box.value, box.setValue
        self._changed = box.valueChanged

    def _make_magic(self, name: str, kind: Any, default: Any) -> None:
        magic = create_widget(value=default, annotation=kind, name=name, label="")
        self._magic = magic
        self.native = magic.native
        if kind is bool:
            self.native.setText("")  # the label next to it has the same text
        self.get = magic.get_value
        self.set = lambda value: setattr(magic, "value", value)
        self._changed = magic.changed

    def on_change(self, slot: Callable[[], None]) -> None:
        self._changed.connect(lambda *_: slot())


def bounds(hint: Any) -> tuple[Any, Any, Any]:
    """Return smallest value, largest value and plain type of an annotation; None where there is no limit."""
    if get_origin(hint) is not Annotated:
        return None, None, hint
    kind, *marks = get_args(hint)
    low: Any = None
    high: Any = None
    margin = 1 if kind is int else SMALLEST
    for mark in marks:
        for limit in mark if isinstance(mark, Interval) else (mark,):
            value: Any = getattr(limit, type(limit).__name__.lower(), None)
            if isinstance(limit, Ge | Gt):
                low = value + margin * isinstance(limit, Gt)
            elif isinstance(limit, Le | Lt):
                high = value - margin * isinstance(limit, Lt)
    return low, high, kind


def spoken(name: str) -> str:
    """Return the name of a setting in words."""
    words = " ".join(SPELLED.get(word, word) for word in name.removeprefix("n_").split("_"))
    return f"Number of {words}" if name.startswith("n_") else words[:1].upper() + words[1:]


def _section(title: str, layout: QFormLayout, tooltip: str) -> Section:
    content = QWidget()
    content.setLayout(layout)
    return Section(title, content, tooltip)


def _tooltip(text: str, low: Any, high: Any) -> str:
    limits = []
    if low is not None and low > SMALLEST:
        limits.append(f"at least {low:g}")
    if high is not None:
        limits.append(f"at most {high:g}")
    return f"{text} ({', '.join(limits)})" if limits else text
