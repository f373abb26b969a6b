import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QWidget

import napari_tissue_dynamics

PATH = Path(napari_tissue_dynamics.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(PATH)


def named(python_name):
    module, name = python_name.split(":")
    return getattr(import_module(module), name)


def test_manifest_is_that_of_the_installed_package():
    assert PluginManifest.from_distribution("napari-tissue-dynamics").name == "napari-tissue-dynamics"


def test_every_command_can_be_loaded(manifest):
    commands = manifest.contributions.commands
    assert len({command.id for command in commands}) == len(commands)
    assert all(callable(named(command.python_name)) for command in commands)


def test_every_contribution_has_its_command(manifest):
    given = manifest.contributions
    known = {command.id for command in given.commands}
    used = [one.command for one in (*given.widgets, *given.readers, *given.writers, *given.sample_data)]
    used += [item.command for items in given.menus.values() for item in items]
    assert set(used) <= known
    assert given.widgets


def test_menus_are_open_to_plugins(manifest):
    assert set(manifest.contributions.menus) == {"napari/file/io_utilities", "napari/layers/visualize"}


def test_docks_take_only_a_viewer(manifest, qtbot):
    from napari.components import ViewerModel

    commands = {command.id: command.python_name for command in manifest.contributions.commands}
    for contribution in manifest.contributions.widgets:
        dock = named(commands[contribution.command])(ViewerModel())
        qtbot.addWidget(dock)
        assert isinstance(dock, QWidget)
        assert dock.minimumSizeHint().width() <= 320


def test_opening_a_dock_loads_nothing_heavy(manifest):
    names = [command.python_name.split(":")[0] for command in manifest.contributions.commands]
    code = f"import {', '.join(sorted(set(names)))}\nimport sys; print(*sys.modules)"
    listing = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.split(".")[0] for name in listing.stdout.split()}
    assert not {"torch", "squidpy", "scanpy", "matplotlib", "sklearn"} & loaded


def test_titles_make_sense_in_the_command_palette(manifest):
    """There they stand alone, among the commands of napari and of every other plugin."""
    titles = [command.title for command in manifest.contributions.commands]
    assert len(set(titles)) == len(titles)
    subjects = ("tissue", "cell", "gene", "velocity", "h5ad")
    for title in titles:
        assert len(title.split()) >= 3, title
        assert title[0].isupper(), title
        assert any(word in title.lower() for word in subjects), title
