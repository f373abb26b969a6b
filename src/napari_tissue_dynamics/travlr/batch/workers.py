"""Where genes are fitted: here, or in processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError, FitError

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

    from napari_tissue_dynamics.data.regulation_field import GeneFit
    from napari_tissue_dynamics.progress import Progress, StopToken
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.shared_inputs import Context

# This many deaths per process, with no gene fitted, mean that processes cannot work here at all.
DEATHS_IN_A_ROW = 2
SECONDS_TO_END = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one gene.

    Parameters
    ----------
    fit
        Its coefficients, None where it has failed.
    reason
        Why it has failed.
    again
        Whether another attempt may succeed.
    """

    target: str
    fit: GeneFit | None = None
    reason: str = ""
    again: bool = False


def fit_one(chosen: Modulators, context: Context, config: TravlrConfig) -> Outcome:
    """Fit one gene to the end, whatever happens."""
    from napari_tissue_dynamics.progress import run_to_end
    from napari_tissue_dynamics.travlr.training import gene_steps

    try:
        return Outcome(chosen.target, run_to_end(gene_steps(chosen, context, config)))
    except Exception as error:  # noqa: BLE001  # one gene must not end the others
        return failure(chosen.target, error)


def failure(target: str, error: Exception) -> Outcome:
    """Return what an exception means for a gene: bad input stays bad, anything else may pass."""
    if isinstance(error, DataError):
        return Outcome(target, reason=str(error))
    return Outcome(target, reason=f"{type(error).__name__}: {error}", again=True)


class InProcess:
    """One gene after the other, here.

    Parameters
    ----------
    stop
        Ends the fit of the current gene.
    """

    def __init__(self, context: Context, config: TravlrConfig, stop: StopToken | None = None) -> None:
        self._context, self._config, self._stop = context, config, stop
        self._steps: Generator[Progress, None, GeneFit | None] | None = None
        self._target = ""
        self._latest: Progress | None = None

    @property
    def free(self) -> int:
        """1 between two genes."""
        return int(self._steps is None)

    @property
    def busy(self) -> int:
        """1 while a gene is fitted."""
        return int(self._steps is not None)

    @property
    def done(self) -> float:
        """What is done of the current gene."""
        return 0.0 if self._steps is None or self._latest is None else self._latest.fraction

    @property
    def phase(self) -> str:
        """The latest report of the fit of the current gene."""
        return "" if self._latest is None else self._latest.phase

    def submit(self, chosen: Modulators) -> None:
        """Begin with a gene."""
        from napari_tissue_dynamics.travlr.training import gene_steps

        self._target, self._latest = chosen.target, None
        self._steps = gene_steps(chosen, self._context, self._config, self._stop)

    def poll(self, seconds: float) -> list[Outcome]:
        """Continue fitting the gene for this long."""
        until = time.monotonic() + seconds
        while self._steps is not None:
            try:
                self._latest = next(self._steps)
            except StopIteration as end:
                self._steps = None
                return [] if end.value is None else [Outcome(self._target, end.value)]
            except Exception as error:  # noqa: BLE001  # one gene must not end the others
                self._steps = None
                return [failure(self._target, error)]
            if time.monotonic() >= until:
                break
        return []

    def close(self) -> None:
        """Give the current gene up."""
        self._steps = None


@dataclass(slots=True, eq=False)
class _Process:
    process: SpawnProcess
    connection: Connection
    target: str = ""


class LocalProcesses:
    """Fresh processes of this machine that look into one file of shared columns.

    A script that uses them needs ``if __name__ == "__main__":`` around what it does, as with every use of
    :mod:`multiprocessing`.

    Parameters
    ----------
    shared
        File of :func:`~napari_tissue_dynamics.travlr.batch.shared_file.write_shared`.
    """

    def __init__(self, number: int, shared: Path, config: TravlrConfig) -> None:
        self._arguments = (shared, config)
        self._limit = DEATHS_IN_A_ROW * number
        self._deaths = 0
        self.running: list[_Process] = []
        try:
            for _ in range(number):
                self.running.append(self._start())
        except BaseException:
            self.close()
            raise

    @property
    def free(self) -> int:
        """Processes without a gene."""
        return sum(not one.target for one in self.running)

    @property
    def busy(self) -> int:
        """Processes with a gene."""
        return len(self.running) - self.free

    @property
    def done(self) -> float:
        """Not known."""
        return 0.0

    @property
    def phase(self) -> str:
        """Genes that are being fitted."""
        return ", ".join(one.target for one in self.running if one.target)

    def submit(self, chosen: Modulators) -> None:
        """Hand a gene to a process that has none."""
        one = next(one for one in self.running if not one.target)
        one.target = chosen.target
        try:
            one.connection.send(chosen)
        except OSError:
            return  # it has died; the next poll reports it

    def poll(self, seconds: float) -> list[Outcome]:
        """Collect finished genes, and replace processes that have died.

        Raises
        ------
        FitError
            If process after process dies before any gene is finished.
        """
        wait([part for one in self.running for part in (one.connection, one.process.sentinel)], seconds)
        return [outcome for k in range(len(self.running)) if (outcome := self._look(k)) is not None]

    def close(self) -> None:
        """End the processes."""
        for one in self.running:
            one.process.terminate()
            one.connection.close()
        for one in self.running:
            one.process.join(SECONDS_TO_END)
            if one.process.is_alive():
                one.process.kill()
                one.process.join(SECONDS_TO_END)
        self.running = []

    def _look(self, k: int) -> Outcome | None:
        one = self.running[k]
        try:
            if one.connection.poll():
                outcome: Outcome = one.connection.recv()
                one.target, self._deaths = "", 0
                return outcome
        except (EOFError, OSError):
            one.process.join(SECONDS_TO_END)
        if one.process.is_alive():
            return None
        code = one.process.exitcode
        self._deaths += 1
        if self._deaths > self._limit:
            raise FitError(
                f"Several processes ended (exit code {code}) before fitting a gene. Fit without processes, "
                'or put what the script does under: if __name__ == "__main__".'
            )
        one.connection.close()
        self.running[k] = self._start()
        lost = f"the process that fitted it ended (exit code {code})"
        return Outcome(one.target, reason=lost, again=True) if one.target else None

    def _start(self) -> _Process:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, *self._arguments), daemon=True)
        process.start()
        there.close()
        return _Process(process, here)


def _serve(connection: Connection, shared: Path, config: TravlrConfig) -> None:
    """Fit what is handed in until nobody hands anything in any more."""
    from napari_tissue_dynamics.travlr.batch.shared_file import open_shared

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands genes in
    context = open_shared(shared)
    while True:
        try:
            chosen = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(fit_one(chosen, context, config))
