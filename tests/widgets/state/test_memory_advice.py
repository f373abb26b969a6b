"""Too little memory: told before a run, and as advice after one that broke off."""

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_tissue_dynamics.analysis.readiness.run_cost import GIB, Cost
from napari_tissue_dynamics.data.io import write_h5ad
from napari_tissue_dynamics.devices import Device
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks import velocity as velocity_module
from napari_tissue_dynamics.widgets.docks.load import LoadDock
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.forms import device_choice as _device_choice
from napari_tissue_dynamics.widgets.forms.device_choice import DeviceChoice
from napari_tissue_dynamics.widgets.state.jobs import explain
from napari_tissue_dynamics.widgets.state.memory_advice import (
    in_words,
    is_short,
    regulation_remedy,
    said_before,
    velocity_remedy,
)

# What libraries say: the first two are raised here by numpy and torch themselves.
CUDA = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 1 GiB is free."


def numpy_error():
    with pytest.raises(MemoryError) as caught:
        np.empty((2**31, 2**31), dtype=np.int8)
    return caught.value


def torch_error():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.int8)
    return caught.value


def test_every_library_is_understood():
    assert is_short(numpy_error())
    assert is_short(torch_error())
    assert is_short(RuntimeError(CUDA))
    assert not is_short(RuntimeError("shapes do not match"))
    assert "graphics card ran out of memory (20.00 GiB more were needed)" in in_words(RuntimeError(CUDA))
    assert "This machine ran out of memory (4.00 EiB" in in_words(numpy_error())
    assert "device 'cpu'" in explain(torch_error())


def test_remedies_name_settings_with_smaller_values():
    config = SteerConfig(cell_batch=20_000, n_genes=2000)
    words = velocity_remedy(config, 100_000)
    assert words == "Choose 'Cell batch' 10000, 'Number of genes' 1000 or the device 'cpu', and start again."
    assert "'Cell batch' 1500" in velocity_remedy(config, 3000)
    assert "Cell batch" not in velocity_remedy(config, 500)  # no smaller batch would help
    assert "device" not in velocity_remedy(SteerConfig(device="cpu"), 3000)
    assert "'Number of top genes' 1000" in velocity_remedy(KineticsConfig(), 3000)
    words = regulation_remedy(TravlrConfig(), 500, 2)
    assert words == "Fit 250 genes at a time, or choose 'Processes' 1 or 'Max modulators' 16, and start again."
    assert regulation_remedy(TravlrConfig(estimator="network"), 1, 1).startswith(
        "Choose 'Batch size' 256 or the device"
    )


def test_need_is_told_beside_what_is_free():
    assert said_before(Cost(40, 2 * GIB), 8 * GIB, "Do less.") == (
        "Estimated 40 s, 2.0 GB (8.0 GB free).",
        False,
    )
    words, short = said_before(Cost(0, 9 * GIB), 8 * GIB, "Do less.")
    assert short
    assert words == "Estimated 9.0 GB (8.0 GB free). Do less."
    assert said_before(Cost(0, 9 * GIB), None, "Do less.") == ("Estimated 9.0 GB.", False)


def test_velocity_dock_warns_before_and_advises_after(open_dock, tissue, tmp_path, finish, monkeypatch):
    path = tmp_path / "t.h5ad"
    write_h5ad(path, tissue)
    load = open_dock(LoadDock)
    load.file.line.setText(str(path))
    load.panel.button.click()
    finish(load)
    dock = open_dock(VelocityDock)
    dock.form.set_value(SteerConfig())
    assert "free)" in dock.panel.estimate.text()
    assert dock.panel.estimate.styleSheet() == ""
    monkeypatch.setattr(velocity_module, "free_memory", lambda: 2**20)
    dock._refresh()
    assert "(1 MB free). Choose 'Number of genes' 1000" in dock.panel.estimate.text()
    assert dock.panel.estimate.styleSheet()

    def short(*_, **__):
        raise RuntimeError(CUDA)
        yield

    monkeypatch.setattr("napari_tissue_dynamics.workflow.velocity_steps", short)
    dock.panel.button.click()
    finish(dock)
    assert dock.message.text().startswith("The graphics card ran out of memory (20.00 GiB more were needed). Choose")


def test_combo_of_devices_says_what_is_free_and_grays_out_what_is_not_there(qtbot, monkeypatch):
    asked = []

    def found():
        asked.append(1)
        return Device("cpu", "CPU", 8 * GIB), Device("cuda", "H200", 100 * GIB), Device("cuda", "A2", None)

    monkeypatch.setattr(_device_choice, "devices", found)
    combo = QComboBox()
    qtbot.addWidget(combo)
    combo.addItems(["auto", "cpu", "cuda", "mps"])
    combo.setToolTip("Where.")
    choice = DeviceChoice(combo)
    assert not asked  # nothing is looked up when a dock is made
    combo.show()
    qtbot.waitUntil(lambda: "GB" in combo.itemText(1) and not choice._fetcher.is_busy)
    assert [combo.itemText(k) for k in range(4)] == [
        "Auto: H200",
        "CPU (8.0 GB)",
        "H200 (100.0 GB), first of 2",
        "Apple graphics processor: none found",
    ]
    assert combo.toolTip().splitlines() == [
        "Where.",
        "Free memory:",
        "CPU: 8.0 GB",
        "H200: 100.0 GB",
        "A2: not known",
    ]
    flags = combo.model().item(3).flags()
    assert not flags & Qt.ItemFlag.ItemIsEnabled
    before = len(asked)
    qtbot.mouseClick(combo, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(asked) > before and not choice._fetcher.is_busy)
    combo.hidePopup()
