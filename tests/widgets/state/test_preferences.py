"""What a person keeps in napari's Preferences is what new docks begin with."""

from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_tissue_dynamics
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.layers.axes import PLUGIN
from napari_tissue_dynamics.layers.colors import MAPS
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks.explore import ExploreDock
from napari_tissue_dynamics.widgets.docks.travlr import TravlrDock
from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock
from napari_tissue_dynamics.widgets.state import preferences as _preferences
from napari_tissue_dynamics.widgets.state.preferences import SECTIONS, Preferences, preferences, with_preferences
from napari_tissue_dynamics.workflow.models import MODELS

YAML = Path(napari_tissue_dynamics.__file__).parent / "napari.yaml"


@pytest.fixture
def kept(plugin_settings, npe2pm):
    if PLUGIN not in npe2pm:
        npe2pm.register(PluginManifest.from_file(YAML))
    from napari.settings import get_plugin_settings

    return get_plugin_settings(PLUGIN)


def test_manifest_and_code_have_the_same_defaults(kept):
    assert preferences() == Preferences()
    declared = PluginManifest.from_file(YAML).contributions.configurations
    assert {name: tuple(each.properties) for name, each in declared.items()} == SECTIONS
    for each in declared.values():
        for found in each.properties.values():
            assert found.title
            assert found.description
    looking, models = declared["looking"].properties, declared["models"].properties
    assert {*looking["values_map"].enum, *looking["signed_map"].enum} == set(MAPS)
    assert set(models["velocity_model"].enum) == set(MODELS)


def test_docks_begin_with_what_is_kept(kept, open_dock):
    kept.computing.device = "cuda"
    kept.computing.threads = 3
    kept.models.velocity_model = "dynamical"
    kept.models.estimator = "network"
    kept.looking.signed_map = "heather"
    kept.looking.hover_card = False
    velocity, travlr, explore = (open_dock(each) for each in (VelocityDock, TravlrDock, ExploreDock))
    settings = velocity.form.value()
    assert (settings.model, settings.device) == ("dynamical", "cuda")
    assert velocity.form.steer.value().device == "cuda"
    assert travlr.form.value().estimator == "network"
    assert not explore.hover.isChecked()
    assert explore._maps[True] == "heather"
    assert _preferences.threads() == 3


def test_kept_values_are_saved_by_napari(kept, tmp_path):
    kept.computing.threads = 5
    saved = list(tmp_path.rglob("*.yaml"))
    assert any("threads: 5" in file.read_text() for file in saved)


def test_without_napari_the_defaults_hold(npe2pm, plugin_settings):
    assert preferences() == Preferences()
    for config in (SteerConfig(), KineticsConfig(), TravlrConfig()):
        assert with_preferences(config) == config


def test_a_device_that_a_model_does_not_know_is_not_forced_on_it(kept):
    kept.computing.device = "mps"
    assert with_preferences(SteerConfig()).device == "mps"
    assert with_preferences(KineticsConfig()).device == KineticsConfig().device
