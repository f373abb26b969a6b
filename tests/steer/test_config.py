"""The schedules against the epochs of the publication."""

from __future__ import annotations

import pytest

from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.schedule import first_stage, second_stage


@pytest.mark.parametrize(
    ("name", "ends"), [("fast", [500, 701, 901, 1101, 5000]), ("full", [1500, 3001, 3201, 3401, 10000])]
)
def test_phases_of_the_faithful_profile_end_where_the_published_counter_ends_them(name, ends):
    config = SteerConfig.schedule(name, "faithful")
    p, q, total = config.autoencoder_epochs, config.cluster_epochs, ends[-1]
    t, w = config.time_epochs, config.warm_up_epochs
    phase_of = [
        0 if e < p else 1 if e <= p + q else 2 if e <= p + q + t else 3 if e <= p + q + t + w else 4
        for e in range(total)
    ]
    assert [phase.epochs for phase in second_stage(config)] == [phase_of.count(number) for number in range(5)]
    assert [sum(phase.epochs for phase in second_stage(config)[: k + 1]) for k in range(5)] == ends
    assert sum(phase.epochs for phase in first_stage(config)) == p + q


@pytest.mark.parametrize("name", ["fast", "full"])
def test_the_last_phase_of_the_improved_profile_ends_before_a_restart(name):
    config = SteerConfig.schedule(name)
    assert config.profile == "improved"
    assert config.velocity_epochs in {50 * (2**k - 1) for k in range(1, 9)}
    assert [phase.epochs for phase in second_stage(config)] == [
        config.autoencoder_epochs,
        config.time_epochs,
        config.velocity_epochs,
    ]


def test_schedules_differ_in_what_the_publication_says():
    assert SteerConfig.schedule("quick") == SteerConfig()
    assert SteerConfig.schedule("quick", "faithful") == SteerConfig(profile="faithful")
    fast, full = SteerConfig.schedule("fast"), SteerConfig.schedule("full")
    assert (fast.published.expert_size, fast.velocity_batch, fast.patience, fast.min_improvement) == (
        "slim",
        2048,
        200,
        1e-3,
    )
    assert (full.published.expert_size, full.velocity_batch, full.patience, full.min_improvement) == (
        "original",
        0,
        1000,
        1e-3,
    )
