"""Many genes: the same coefficients wherever they are fitted, and nothing lost on the way."""

from __future__ import annotations

import json
import os
import pickle
import platform
import signal
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest

from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.travlr.batch import batch_fit as many
from napari_tissue_dynamics.travlr.batch import workers
from napari_tissue_dynamics.travlr.batch.batch_fit import Place, fit_genes, fit_genes_steps, in_words
from napari_tissue_dynamics.travlr.batch.gene_cache import Keep
from napari_tissue_dynamics.travlr.batch.gene_locks import Claims
from napari_tissue_dynamics.travlr.batch.store import BetaStore, StoredCoefficients
from napari_tissue_dynamics.travlr.batch.workers import Outcome
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
from napari_tissue_dynamics.travlr.training import fit

SEED_ONLY = TravlrConfig(estimator="network", epochs=0, score_threshold=-100)
TARGETS = ("Axin2", "Lef1", "Fzd2", "Sox2")
ORPHAN = "Pax6"


@pytest.fixture
def network() -> RegulatoryNetwork:
    tfs = {"Axin2": ("Sox2", "Pax6"), "Lef1": ("Pax6",), "Fzd2": ("Sox2",), "Sox2": ("Lef1",)}
    return RegulatoryNetwork(tfs, pairs=(("Wnt5a", "Fzd2"), ("Absent", "Fzd2")))


@pytest.fixture
def expected(tissue, network):
    return fit(tissue, TARGETS, network, SEED_ONLY)


def assert_same(found, expected, targets=TARGETS):
    assert found.targets == targets
    for target in targets:
        np.testing.assert_array_equal(found[target].betas, expected[target].betas)
        assert found[target].modulators == expected[target].modulators
        assert found[target].fit_r2 == expected[target].fit_r2


@pytest.mark.parametrize("kept", [False, True])
def test_in_this_process(tissue, network, expected, tmp_path, kept):
    reports = []
    place = Place(store=tmp_path / "run" if kept else None)
    found = fit_genes(tissue, (*TARGETS, "Lef1"), network, SEED_ONLY, reports.append, place=place)
    assert_same(found, expected)
    assert not found.stopped
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    snapshots = [report.snapshot for report in reports if report.snapshot is not None]
    assert tuple(gene.target for gene in snapshots) == TARGETS
    assert reports[-1].phase.startswith("4 of 4 genes")
    assert (reports[-1].step, reports[-1].total) == (4, 4)
    if kept:
        assert BetaStore.open(place.store).targets == tuple(sorted(TARGETS))
        assert not list((place.store / "claims").iterdir())


def test_a_gene_that_nothing_regulates_is_left_out_with_its_reason(tissue, expected):
    network = RegulatoryNetwork(dict.fromkeys(TARGETS, ("Wnt5a",)))
    found = fit_genes(tissue, (*TARGETS, ORPHAN), network, SEED_ONLY)
    assert found.targets == TARGETS
    assert list(found.failed) == [ORPHAN]
    assert "No candidate regulator of Pax6" in found.failed[ORPHAN]
    assert not found.stopped
    with pytest.raises(DataError, match="No candidate regulator of Pax6"):
        fit_genes(tissue, [ORPHAN], network, SEED_ONLY)


def _count_fits(monkeypatch):
    counts: list[str] = []
    original = workers.InProcess.submit

    def submit(self, chosen):
        counts.append(chosen.target)
        original(self, chosen)

    monkeypatch.setattr(workers.InProcess, "submit", submit)
    return counts


def test_a_stopped_run_goes_on_where_it_was(tissue, network, expected, tmp_path, monkeypatch):
    counts, stop = _count_fits(monkeypatch), threading.Event()
    place = Place(store=tmp_path / "run")

    def report(progress):
        if progress.snapshot is not None and progress.step == 2:
            stop.set()

    first = run_to_end(fit_genes_steps(tissue, TARGETS, network, SEED_ONLY, stop, place=place), report)
    assert first.stopped
    assert first.targets == TARGETS[:2]
    assert_same(fit_genes(tissue, TARGETS, network, SEED_ONLY, place=place), expected)
    assert counts == list(TARGETS)
    assert_same(fit_genes(tissue, TARGETS[::-1], network, SEED_ONLY, place=place), expected, TARGETS[::-1])
    assert counts == list(TARGETS)  # all there: nothing was fitted
    with pytest.raises(DataError, match="seed 0 \\(now 3\\)"):
        fit_genes(tissue, TARGETS, network, replace(SEED_ONLY, seed=3), place=place)
    other = replace(network, regulators={**network.regulators, "Lef1": ("Sox2",)})
    with pytest.raises(DataError, match="holds Lef1 fitted with different regulators"):
        fit_genes(tissue, TARGETS, other, SEED_ONLY, place=place)


def test_two_runs_share_one_folder(tissue, network, expected, tmp_path, monkeypatch):
    counts, place = _count_fits(monkeypatch), Place(store=tmp_path / "run")
    runs = [fit_genes_steps(tissue, order, network, SEED_ONLY, place=place) for order in (TARGETS, TARGETS[::-1])]
    fields: dict[int, object] = {}
    while len(fields) < 2:
        for k, steps in enumerate(runs):
            if k not in fields:
                try:
                    next(steps)
                except StopIteration as end:
                    fields[k] = end.value
    assert sorted(counts) == sorted(TARGETS)
    assert_same(BetaStore.open(place.store).field(TARGETS), expected)
    assert max(len(field.genes) for field in fields.values()) == 4


def test_claims_of_runs_that_have_gone(tmp_path):
    one, other = Claims(tmp_path), Claims(tmp_path)
    assert one.take("A.1/b")
    assert not other.take("A.1/b")
    assert other.take("A.1")
    claim = next(path for path in tmp_path.iterdir() if "b" in path.name)
    old = time.time() - 1000
    os.utime(claim, (old, old))
    assert other.take("A.1/b")
    assert not Claims(tmp_path).take("A.1/b")
    one.release_all()  # takes nothing away from the run that has it now
    assert not one.take("A.1/b")
    other.release_all()
    assert one.take("A.1/b")
    claim = next(iter(tmp_path.iterdir()))
    claim.write_text(claim.read_text().replace(str(os.getpid()), "4194305"))  # more than any process has
    assert other.take("A.1/b")


class _Dying:
    """Workers whose process ends while it fits the genes in ``deadly``, as often as is said there."""

    def __init__(self, context, config, deadly):
        self._inner, self._deadly, self._target = workers.InProcess(context, config), deadly, ""

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def submit(self, chosen):
        self._target = chosen.target
        self._inner.submit(chosen)

    def poll(self, seconds):
        if self._deadly.get(self._target, 0):
            self._deadly[self._target] -= 1
            self._inner.close()
            return [Outcome(self._target, reason="the process ended", again=True)]
        return self._inner.poll(seconds)

    def close(self):
        self._inner.close()


def test_a_gene_is_tried_twice(tissue, network, expected, tmp_path, monkeypatch):
    deadly = {"Axin2": 1, "Fzd2": 2}
    monkeypatch.setattr(many, "_workers", lambda context, config, *_: _Dying(context, config, deadly))
    found = fit_genes(tissue, TARGETS, network, SEED_ONLY, place=Place(store=tmp_path / "run"))
    assert_same(found, expected, ("Axin2", "Lef1", "Sox2"))
    assert dict(found.failed) == {"Fzd2": "the process ended"}
    assert dict(BetaStore.open(tmp_path / "run").failed) == {"Fzd2": "the process ended"}
    assert_same(fit_genes(tissue, TARGETS, network, SEED_ONLY, place=Place(store=tmp_path / "run")), expected)
    assert not BetaStore.open(tmp_path / "run").failed


def test_an_error_in_one_gene_is_its_own(tissue, network, expected, monkeypatch):
    from napari_tissue_dynamics.travlr import training

    original = training.gene_steps

    def spoilt(chosen, *arguments):
        if chosen.target == "Lef1":
            raise ValueError("singular matrix")
        return (yield from original(chosen, *arguments))

    monkeypatch.setattr(training, "gene_steps", spoilt)
    found = fit_genes(tissue, TARGETS, network, SEED_ONLY)
    assert_same(found, expected, ("Axin2", "Fzd2", "Sox2"))
    assert dict(found.failed) == {"Lef1": "ValueError: singular matrix"}


def test_processes_one_of_which_is_killed(tissue, network, expected, tmp_path, monkeypatch):
    made, killed, original = [], [], workers.LocalProcesses._look

    def look(self, k):
        made.append(self)
        one = self.running[k]
        if one.target == "Lef1" and not killed:
            killed.append(one.process.pid)
            os.kill(one.process.pid, signal.SIGKILL)
            one.process.join()
        return original(self, k)

    monkeypatch.setattr(workers.LocalProcesses, "_look", look)
    left, used = tmp_path / "run" / ".scratch-left", tmp_path / "run" / ".scratch-used"
    for folder, process in ((left, 4194305), (used, os.getpid())):
        folder.mkdir(parents=True)
        (folder / "owner.json").write_text(json.dumps([platform.node(), process]))
    found = fit_genes(tissue, TARGETS, network, SEED_ONLY, place=Place(store=tmp_path / "run", processes=2))
    assert killed
    assert_same(found, expected)
    assert not made[0].running
    assert list((tmp_path / "run").glob(".scratch*")) == [used]  # of a run that is alive


def test_number_of_threads_changes_no_digit(tissue, network):
    import torch
    from threadpoolctl import threadpool_info, threadpool_limits

    config = TravlrConfig(estimator="network", spatial_dim=16, epochs=3, score_threshold=-100)
    found, before, between = [], torch.get_num_threads(), set()

    def report(_):
        between.add((torch.get_num_threads(), max(pool["num_threads"] for pool in threadpool_info())))

    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            with threadpool_limits(threads):
                found.append(fit(tissue, TARGETS[:1], network, config, report))
        finally:
            torch.set_num_threads(before)
    assert_same(found[1], found[0], TARGETS[:1])
    assert between == {(1, 1), (3, 3)}  # those of the caller are given back


def test_processes_stop(tissue, network):
    stop = threading.Event()
    steps = fit_genes_steps(tissue, TARGETS, network, SEED_ONLY, stop, place=Place(processes=2))
    for progress in steps:
        if progress.phase.startswith("0 of 4 genes"):
            break
    stop.set()
    field = run_to_end(steps)
    assert field.stopped


def test_processes_that_cannot_begin_end_the_run(tissue, network, monkeypatch):
    monkeypatch.setattr(workers, "_serve", os._exit)  # called with a pipe, it fails at once
    with pytest.raises(FitError, match="__main__"):
        fit_genes(tissue, TARGETS, network, SEED_ONLY, place=Place(processes=2))


def test_on_a_cluster(tissue, network, expected, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        place = Place(store=tmp_path / "run", scheduler=cluster.scheduler_address)
        assert_same(fit_genes(tissue, TARGETS, network, SEED_ONLY, place=place), expected)
        with distributed.Client(cluster, set_as_default=False) as client:
            place = Place(scheduler=client)
            assert_same(fit_genes(tissue, TARGETS, network, SEED_ONLY, place=place), expected)


def test_on_a_cluster_that_does_not_see_our_files(tissue, network, expected, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from napari_tissue_dynamics.travlr.batch import dask_workers

    monkeypatch.setattr(dask_workers, "_sees", lambda *_: False)
    monkeypatch.setattr(dask_workers, "open_shared", _only_copies(dask_workers.open_shared))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        place = Place(scheduler=cluster.scheduler_address)
        assert_same(fit_genes(tissue, TARGETS, network, SEED_ONLY, place=place), expected)


def _only_copies(open_shared):
    def checked(path):
        assert path.name != "shared.safetensors"
        return open_shared(path)

    return checked


@pytest.mark.slow
def test_a_killed_worker_of_a_cluster(tissue, network, tmp_path):
    distributed = pytest.importorskip("distributed")
    config = TravlrConfig(estimator="network", spatial_dim=8, epochs=60, batch_size=16)
    expected = fit(tissue, TARGETS, network, config)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        place = Place(store=tmp_path / "run", scheduler=cluster.scheduler_address)
        killed = False
        steps = fit_genes_steps(tissue, TARGETS, network, config, place=place)
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                found = end.value
                break
            if progress.snapshot is not None and not killed:
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
                killed = True
        assert killed
        assert_same(found, expected)


def test_no_scheduler_gives_a_sentence(tissue, network, monkeypatch):
    pytest.importorskip("distributed")
    from napari_tissue_dynamics.travlr.batch import dask_workers

    monkeypatch.setattr(dask_workers, "CONNECT_SECONDS", 0.2)
    with pytest.raises(DataError, match="No Dask scheduler responds at tcp"):
        fit_genes(tissue, TARGETS, network, SEED_ONLY, place=Place(scheduler="tcp://127.0.0.1:9"))


def test_memory_does_not_grow_with_the_genes(tissue, network, tmp_path, monkeypatch):
    tables, original = [], workers.InProcess.poll
    alive = []

    def poll(self, seconds):
        alive.append(sum(table() is not None for table in tables))
        outcomes = original(self, seconds)
        tables.extend(weakref.ref(outcome.fit.coefficients) for outcome in outcomes)
        return outcomes

    monkeypatch.setattr(workers.InProcess, "poll", poll)
    found = fit_genes(tissue, TARGETS, network, SEED_ONLY, place=Place(store=tmp_path / "run"))
    assert len(tables) == len(found.genes) == 4
    assert max(alive) <= 1  # the table of a gene is gone when the next one is made
    assert all(isinstance(gene.coefficients, StoredCoefficients) for gene in found.genes)


def test_smooth_genes_hold_their_functions_once(tissue, network, tmp_path):
    smooth = TravlrConfig(held_out=False, permutations=0, score_threshold=-100)
    alone = fit(tissue, TARGETS, network, smooth)
    kept = fit_genes(tissue, TARGETS, network, smooth, place=Place(store=tmp_path / "run"))
    assert len(list((tmp_path / "run" / "bases").iterdir())) == 1
    for target in TARGETS:
        np.testing.assert_allclose(kept[target].betas, alone[target].betas, rtol=1e-5, atol=1e-6)
    held = Keep(None, None)
    for gene in alone.genes:  # as they come out of other processes
        held.write(pickle.loads(pickle.dumps(gene)), "")
    bases = [gene.coefficients.basis for gene in held.fits.values()]
    assert all(basis is bases[0] for basis in bases)


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (800, "13 min"), (11100, "3 h 5 min")])
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words
