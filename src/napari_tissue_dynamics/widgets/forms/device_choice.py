"""Which devices there are and how much memory each has free, in the combo that chooses one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_tissue_dynamics.analysis.readiness.run_cost import size
from napari_tissue_dynamics.devices import devices
from napari_tissue_dynamics.widgets.state.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_tissue_dynamics.devices import Device

TITLES = {"auto": "Auto", "cpu": "CPU", "cuda": "NVIDIA graphics card", "mps": "Apple graphics processor"}


class DeviceChoice(QObject):
    """Labels the items of a combo of devices, each with its free memory in brackets.

    They are looked up in a thread when the combo is first seen and whenever the user opens it: nothing is asked
    when a dock is made, and torch is not loaded. What this machine lacks cannot be chosen.

    Parameters
    ----------
    combo
        A combo with the names of the settings, ``auto``, ``cpu``, ``cuda`` or ``mps``, as its texts.
    """

    def __init__(self, combo: QComboBox) -> None:
        super().__init__(combo)
        self._combo = combo
        self._about = ""
        self._names = [combo.itemText(index) for index in range(combo.count())]
        self._fetcher = Fetcher(self)
        self._fetcher.arrived.connect(self.show_devices)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(10)
        for index, name in enumerate(self._names):
            combo.setItemText(index, TITLES.get(name, name))
        combo.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look the devices up when the combo comes into sight, gets the focus or is pressed."""
        kinds = (QEvent.Type.Show, QEvent.Type.FocusIn, QEvent.Type.MouseButtonPress)
        if event.type() in kinds and not self._fetcher.is_busy:
            self._fetcher.fetch(devices)
        return super().eventFilter(watched, event)

    def show_devices(self, found: Sequence[Device]) -> None:
        """Show these devices, one line for each in the tooltip as well."""
        model = self._combo.model()
        for index, name in enumerate(self._names):
            there = [device for device in found if device.name == name]
            self._combo.setItemText(index, _item(name, there, found))
            if isinstance(model, QStandardItemModel):
                model.item(index).setEnabled(name == "auto" or bool(there))
        lines = [f"{device.title}: {_free(device)}" for device in found]
        if not self._about:
            self._about = self._combo.toolTip()
        self._combo.setToolTip("\n".join([self._about, "Free memory:", *lines]))
        self._combo.setAccessibleDescription(". ".join([self._about, "Free memory", *lines]))


def _item(name: str, there: Sequence[Device], found: Sequence[Device]) -> str:
    if name == "auto":
        cards = [device for device in found if device.name == "cuda"]
        return f"Auto: {cards[0].title if cards else 'CPU'}"
    if not there:
        return f"{TITLES[name]}: none found"
    first = there[0].title if there[0].free is None else f"{there[0].title} ({size(there[0].free)})"
    return first if len(there) == 1 else f"{first}, first of {len(there)}"


def _free(device: Device) -> str:
    return "not known" if device.free is None else size(device.free)
