"""What there is to compute with, and that looking costs nothing."""

import subprocess
import sys

import psutil
import pytest

from napari_tissue_dynamics import devices as module
from napari_tissue_dynamics.devices import Device, devices, free_memory, nvidia_cards


def test_the_processor_is_there_with_the_memory_that_the_system_names():
    first = devices()[0]
    assert (first.name, first.title) == ("cpu", "CPU")
    assert first.free is not None
    assert 2**20 < first.free <= psutil.virtual_memory().total


def test_cards_are_read_from_the_answer_of_the_driver():
    answer = "NVIDIA H200, 142873\nNVIDIA RTX A2000, 12GB, 5120\nbroken\nGrid card, [N/A]\n"
    assert nvidia_cards(answer) == [
        Device("cuda", "NVIDIA H200", 142873 * 2**20),
        Device("cuda", "NVIDIA RTX A2000, 12GB", 5120 * 2**20),
        Device("cuda", "Grid card", None),
    ]
    assert nvidia_cards("") == []


def test_a_container_has_what_its_limit_leaves(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(module, "GROUP_LIMITS", ((str(limit), str(used)),))
    whole = free_memory()
    limit.write_text("3000000\n")
    used.write_text("1000000\n")
    assert free_memory() == 2000000
    limit.write_text("max\n")
    assert free_memory() == pytest.approx(whole, rel=0.2)


def test_devices_are_found_without_torch():
    code = "import sys; from napari_tissue_dynamics.devices import devices; devices(); print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
