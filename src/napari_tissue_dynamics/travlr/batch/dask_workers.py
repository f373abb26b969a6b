"""Genes fitted on a Dask cluster; imported only when one is used."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.errors import DataError, FitError
from napari_tissue_dynamics.travlr.batch.run_manifest import hash_of
from napari_tissue_dynamics.travlr.batch.shared_file import open_shared
from napari_tissue_dynamics.travlr.batch.workers import Outcome, failure, fit_one

if TYPE_CHECKING:
    from napari_tissue_dynamics.travlr.config import TravlrConfig
    from napari_tissue_dynamics.travlr.design import Modulators
    from napari_tissue_dynamics.travlr.shared_inputs import Context

CONNECT_SECONDS = 15.0
# Genes handed in for each thread of the cluster, so that none waits for the next.
GENES_PER_THREAD = 2
SECONDS_TO_LOOK = 0.02

# What genes share, opened once in each process of the cluster. Random numbers of torch belong to a process, so that
# only one gene at a time may be fitted there.
_ONE_AT_A_TIME = threading.Lock()
_OPEN: dict[str, Context] = {}


class DaskWorkers:
    """Processes of a Dask cluster.

    The shared columns go through the file system where the workers see the same one, and through the scheduler where
    they do not. A worker that dies is replaced by its cluster; the gene is then fitted elsewhere.

    Parameters
    ----------
    scheduler
        Address of a scheduler, or a connected ``distributed.Client``.
    shared
        File of :func:`~napari_tissue_dynamics.travlr.batch.shared_file.write_shared`.

    Raises
    ------
    DataError
        If dask is not installed or the scheduler does not answer.
    """

    def __init__(self, scheduler: Any, shared: Path, config: TravlrConfig) -> None:
        self._client, self._own = connect(scheduler)
        self._shared, self._config = shared, config
        self._key = hash_of(str(shared).encode())
        self._data: Any = None
        self._sent = False
        self._running: dict[Any, str] = {}

    @property
    def free(self) -> int:
        """Genes that can be handed in so that no thread of the cluster waits."""
        threads = sum(self._client.nthreads().values())
        if not threads:
            return 0
        return max(0, GENES_PER_THREAD * threads - len(self._running))

    @property
    def busy(self) -> int:
        """Genes handed in."""
        return len(self._running)

    @property
    def done(self) -> float:
        """Not known."""
        return 0.0

    @property
    def phase(self) -> str:
        """Whether there are workers."""
        return "" if self._running else "waiting for workers of the cluster"

    def submit(self, chosen: Modulators) -> None:
        """Hand a gene in."""
        if not self._sent:
            self._send()
        future = self._client.submit(
            fit_there, chosen, self._config, self._key, str(self._shared), self._data, pure=False, key=None
        )
        self._running[future] = chosen.target

    def poll(self, seconds: float) -> list[Outcome]:
        """Collect finished genes.

        Raises
        ------
        FitError
            If the scheduler is gone.
        """
        until = time.monotonic() + seconds
        while not any(future.done() for future in self._running) and time.monotonic() < until:
            time.sleep(SECONDS_TO_LOOK)
        if self._client.status not in ("running", "connecting"):
            raise FitError(
                "The scheduler of the Dask cluster no longer responds. Finished genes are kept; start a cluster "
                "and resume the run."
            )
        finished = [future for future in self._running if future.done()]
        return [self._outcome(future, self._running.pop(future)) for future in finished]

    def close(self) -> None:
        """Cancel pending genes; a gene that a worker is already fitting finishes there."""
        try:
            self._client.cancel(list(self._running), force=True)
            if self._own:
                self._client.close(timeout=1)
        except (OSError, TimeoutError, ValueError):  # the cluster is gone already
            pass
        self._running = {}

    def _outcome(self, future: Any, target: str) -> Outcome:
        if future.status == "finished":
            outcome: Outcome = future.result()
            return outcome
        if future.status == "error":
            error = future.exception()
            if type(error).__name__ == "KilledWorker":  # dask has tried it several times
                return Outcome(target, reason="every worker that fitted it died")
            if isinstance(error, ImportError):
                return Outcome(
                    target, reason=f"a worker lacks a package ({error}); install napari-tissue-dynamics there"
                )
            return failure(target, error)
        return Outcome(target, reason="the cluster lost it", again=True)

    def _send(self) -> None:
        """Make the shared columns reach the workers."""
        seen = self._client.run(_sees, str(self._shared), self._shared.stat().st_size)
        if not seen or not all(seen.values()):
            self._data = self._client.scatter(self._shared.read_bytes(), hash=False)
        self._sent = True


def connect(scheduler: Any) -> tuple[Any, bool]:
    """Return a client of a scheduler, and whether it was made here.

    Parameters
    ----------
    scheduler
        Address (``tcp://host:8786``), or a client, which is returned as it is.

    Raises
    ------
    DataError
        If dask is not installed or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise DataError(
            "Fitting on a cluster requires the package distributed, which is not installed. "
            "Run 'pip install napari-tissue-dynamics[dask]', or fit without a scheduler."
        ) from error
    if isinstance(scheduler, Client):
        return scheduler, False
    try:
        return Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False), True
    except (OSError, TimeoutError, ValueError) as error:
        raise DataError(
            f"No Dask scheduler responds at {scheduler} ({error}). Start one, for example with 'dask scheduler', and "
            "give its address."
        ) from error


def fit_there(chosen: Modulators, config: TravlrConfig, key: str, path: str, data: bytes | None) -> Outcome:
    """Fit one gene on a worker."""
    with _ONE_AT_A_TIME:
        if key not in _OPEN:
            _OPEN.clear()
            try:
                _OPEN[key] = _opened(Path(path), data)
            except DataError as error:  # a worker that came later and does not see the file
                return Outcome(chosen.target, reason=f"a worker cannot read the shared inputs: {error}", again=True)
        return fit_one(chosen, _OPEN[key], config)


def _opened(path: Path, data: bytes | None) -> Context:
    if data is None:
        return open_shared(path)
    with tempfile.NamedTemporaryFile(prefix="tissue-dynamics-", delete=False) as file:
        file.write(data)
    copy = Path(file.name)
    try:
        return open_shared(copy)  # its maps stay valid when the name is gone
    finally:
        with contextlib.suppress(OSError):  # where a file in use cannot be removed
            copy.unlink()


def _sees(path: str, size: int) -> bool:
    file = Path(path)
    return file.is_file() and file.stat().st_size == size
