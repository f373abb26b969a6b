"""Fit many genes: here, in processes or on a cluster, kept in a directory that a later run goes on with."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, Throttle, part_of, run_to_end, stopped
from napari_tissue_dynamics.travlr.batch.gene_cache import Keep
from napari_tissue_dynamics.travlr.batch.gene_locks import is_gone, owner
from napari_tissue_dynamics.travlr.batch.run_manifest import candidates_of
from napari_tissue_dynamics.travlr.batch.workers import InProcess, LocalProcesses
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.fit_inputs import Ground, measured_targets
from napari_tissue_dynamics.travlr.shared_inputs import context_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.batch.dask_workers import DaskWorkers
    from napari_tissue_dynamics.travlr.batch.workers import Outcome
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
    from napari_tissue_dynamics.travlr.shared_inputs import Context

    Workers: TypeAlias = InProcess | LocalProcesses | DaskWorkers

# Shares of the whole: choosing what may regulate each gene, then what genes share.
CHOICE_SHARE, CONTEXT_SHARE = 0.02, 0.08
SECONDS_TO_POLL = 0.1
# A gene whose process died is fitted once more.
ATTEMPTS = 2
SCRATCH, OWNER = ".scratch-", "owner.json"
ELSEWHERE = "another run in this folder is fitting it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where genes are fitted and kept.

    Parameters
    ----------
    store
        Directory that finished genes are kept in, one file each; None keeps them in memory.
    processes
        Processes of this machine; 1 fits here.
    scheduler
        Address of a Dask scheduler, or a ``distributed.Client``; takes the place of processes.
    """

    store: Path | None = None
    processes: int = 1
    scheduler: Any = None


HERE = Place()


def fit_genes(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig = TravlrConfig(),
    report: Callable[[Progress], None] | None = None,
    *,
    place: Place = HERE,
) -> RegulationField:
    """Run :func:`fit_genes_steps` to the end."""
    return run_to_end(fit_genes_steps(tissue, targets, network, config, place=place), report)


def fit_genes_steps(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork,
    config: TravlrConfig = TravlrConfig(),
    stop: StopToken | None = None,
    *,
    place: Place = HERE,
) -> Generator[Progress, None, RegulationField]:
    """Fit many genes; as :func:`~napari_tissue_dynamics.travlr.fit_steps`, made for thousands.

    Received ligands, columns of pairs and maps are made once. A gene that nothing can regulate, that fails, or whose
    process dies twice is skipped with its reason; the others continue. With a store, finished genes are written as they
    come and given back out of their files, so that memory does not grow with them; genes that are there already are
    not fitted again, and several runs, on several machines, may fill one store together.

    Parameters
    ----------
    tissue
        Cells with positions and expression.
    targets
        Genes to be fitted; repeated names count once.
    network
        What may regulate what.
    config
        Settings of the fit.
    stop
        Ends the fit within a second; finished genes stay.
    place
        Where genes are fitted and kept.

    Yields
    ------
    Progress, a few times a second: genes done, of all, and the time left in words; a finished gene is a ``snapshot``.

    Returns
    -------
    The fitted genes in the order of ``targets``, with the reasons of those that have no fit.

    Raises
    ------
    DataError
        Before the first report, if the input cannot be used or the store holds another run; later, if no gene has
        anything to regulate it or the cluster cannot be reached.
    FitError
        If no process or no cluster is left to work with.
    """
    targets = measured_targets(tissue, targets)
    ground = Ground.of(tissue, config)
    keep = Keep.of(ground, config, place.store)
    run = _Run(ground, _measured_only(network, tissue.genes), config, keep, len(targets))
    with keep:
        yield Progress("candidate regulators of each gene", 0, len(targets), 0.0)
        yield from run.choose_steps(targets, stop)
        if run.pending and not stopped(stop):
            plan = ground.plan((), run.genes, run.signals)
            steps = part_of(context_steps(plan, config, stop), CHOICE_SHARE, CONTEXT_SHARE)
            context = yield from steps
            del plan
            if context is not None:
                with _scratch(place) as folder:
                    workers = _workers(context, config, place, folder, stop)
                    del context
                    yield from run.fit_steps(workers, stop)
        return keep.field(targets, run.failed)


@dataclass(slots=True, eq=False)
class _Run:
    """What is still to be done, and what has become of the rest."""

    ground: Ground
    network: RegulatoryNetwork
    config: TravlrConfig
    keep: Keep
    total: int
    pending: dict[str, str] = field(default_factory=dict)
    """Genes that are neither fitted nor given up, with a hash of what may regulate them."""
    tried: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    genes: dict[str, None] = field(default_factory=dict)
    signals: dict[tuple[str, bool], None] = field(default_factory=dict)

    def choose_steps(self, targets: Sequence[str], stop: StopToken | None) -> Generator[Progress, None, None]:
        """Look at what may regulate each gene, and which genes are done already.

        What was chosen is not kept: of thousands of genes it would be larger than their expression.
        """
        throttle = Throttle()
        for k, target in enumerate(targets):
            if stopped(stop):
                return
            if throttle.due():
                yield Progress("candidate regulators of each gene", k, self.total, CHOICE_SHARE * k / self.total)
            try:
                chosen = self.ground.choose(target, self.network, self.config)
            except DataError as error:
                self.failed[target] = str(error)
                continue
            candidates = candidates_of(chosen)
            if not self.keep.has(target, candidates):
                self.pending[target] = candidates
                self.genes.update(dict.fromkeys(chosen.genes))
                self.signals.update(dict.fromkeys(chosen.signals))
        if len(self.failed) == self.total:
            raise DataError(next(iter(self.failed.values())))

    def fit_steps(self, workers: Workers, stop: StopToken | None) -> Generator[Progress, None, None]:
        """Hand genes in, collect them, and report."""
        queue = list(self.pending)[::-1]
        clock, throttle = _Clock(self.total, len(queue)), Throttle()
        try:
            while queue or workers.busy:
                while queue and workers.free and not stopped(stop):
                    self._hand_in(queue.pop(), workers)
                if stopped(stop):
                    return
                for outcome in workers.poll(SECONDS_TO_POLL):
                    yield clock.progress(outcome.target, len(self.pending) - 1, 0.0, self._collect(outcome, queue))
                self.keep.touch()
                if throttle.due():
                    yield clock.progress(workers.phase, len(self.pending), workers.done)
        finally:
            workers.close()

    def _hand_in(self, target: str, workers: Workers) -> None:
        if not self.keep.take(target):
            self.failed[target] = ELSEWHERE
            del self.pending[target]
        elif self.keep.has(target, self.pending[target]):  # by another run, since this one looked
            self.keep.release(target)
            del self.pending[target]
        else:
            workers.submit(self.ground.choose(target, self.network, self.config))

    def _collect(self, outcome: Outcome, queue: list[str]) -> GeneFit | None:
        """Keep a finished gene; one that is worth another attempt goes to the end of the queue."""
        target = outcome.target
        self.tried[target] = self.tried.get(target, 0) + 1
        if outcome.fit is None and outcome.again and self.tried[target] < ATTEMPTS:
            queue.insert(0, target)
            self.keep.release(target)
            return None
        candidates = self.pending.pop(target)
        fit = None
        if outcome.fit is not None:
            fit = self.keep.write(outcome.fit, candidates)
        else:
            self.failed[target] = outcome.reason
            self.keep.write_failure(target, outcome.reason)
        self.keep.release(target)
        return fit


class _Clock:
    """How far many genes are, and how long the rest will take."""

    def __init__(self, total: int, pending: int) -> None:
        self._total, self._at_start = total, pending
        self._began, self._furthest = time.monotonic(), CONTEXT_SHARE

    def progress(self, phase: str, pending: int, part: float, fit: GeneFit | None = None) -> Progress:
        """Return a report; ``part`` is what is done of genes that are not finished."""
        done = self._total - pending
        share = 1 - (pending - part) / self._at_start
        self._furthest = max(self._furthest, CONTEXT_SHARE + (1 - CONTEXT_SHARE) * share)
        phase_text = f"{done} of {self._total} genes{self._left(share)}" + (f": {phase}" if phase else "")
        return Progress(phase_text, done, self._total, min(1.0, self._furthest), snapshot=fit)

    def _left(self, share: float) -> str:
        if not 0.01 < share < 1:
            return ""
        return f", {in_words((time.monotonic() - self._began) * (1 - share) / share)} left"


def in_words(seconds: float) -> str:
    """Return a duration in words: ``40 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _scratch(place: Place) -> Iterator[Path | None]:
    """Give a folder for what processes share; inside the store, which a cluster is most likely to see."""
    if place.scheduler is None and place.processes < 2:
        yield None
        return
    if place.store is None:
        folder = Path(tempfile.mkdtemp(prefix="tissue-dynamics-"))
    else:
        _sweep(Path(place.store))
        folder = Path(place.store).absolute() / f"{SCRATCH}{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        (folder / OWNER).write_text(owner())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(store: Path) -> None:
    """Remove what runs of this machine have left behind that were killed."""
    for folder in store.glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if is_gone((folder / OWNER).read_text()):
                shutil.rmtree(folder, ignore_errors=True)


def _workers(
    context: Context, config: TravlrConfig, place: Place, folder: Path | None, stop: StopToken | None
) -> Workers:
    if folder is None:
        return InProcess(context, config, stop)
    from napari_tissue_dynamics.travlr.batch.shared_file import write_shared

    shared = folder / "shared.safetensors"
    write_shared(shared, context)
    if place.scheduler is None:
        return LocalProcesses(place.processes, shared, config)
    from napari_tissue_dynamics.travlr.batch.dask_workers import DaskWorkers

    return DaskWorkers(place.scheduler, shared, config)


def _measured_only(network: RegulatoryNetwork, genes: Sequence[str]) -> RegulatoryNetwork:
    """Return the network without pairs that no target can use, which are looked through for every gene."""
    known = set(genes)
    pairs = tuple(pair for pair in network.pairs if pair.ligand in known and pair.receptor in known)
    return replace(network, pairs=pairs)
