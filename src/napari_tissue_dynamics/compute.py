"""Where, in which threads and with which random numbers a fit computes."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import Progress, converted, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import torch
    from threadpoolctl import ThreadpoolController

    from napari_tissue_dynamics.progress import StopToken

Result = TypeVar("Result")
Reported = TypeVar("Reported")

# Cells x genes up to which one thread is used.
FEW_VALUES = 2_000_000
NOT_BEGUN = "The run was stopped before it started; earlier results are unchanged."
# Seconds between two looks at a call that runs in a thread of its own.
INTERVAL = 0.15


def in_background(call: Callable[[], Result]) -> Generator[None, None, Result]:
    """Do one long call in a thread of its own and yield several times a second while it runs.

    A call cannot be interrupted, but whoever drains this generator can go away; the thread then ends by itself. The
    call must therefore change nothing outside.

    Raises
    ------
    BaseException
        Whatever the call raised.
    """
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        yield
        thread.join(INTERVAL)
    if failure:
        raise failure[0]
    return outcome[0]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let linear algebra of small matrices run in one thread; more would only get in each other's way.

    On a busy machine the threads of one small product wait for each other up to fifty times as long as the product
    takes. The limit before is restored.
    """
    with _threadpools().limit(limits=1, user_api="blas"):
        yield


@contextmanager
def torch_threads_for(values: int) -> Iterator[None]:
    """Let torch use one thread where no array has more than a few million values; the number before is restored.

    The threads of many small steps wait for each other more than they help: next to other work a fit of 800 cells
    took five times as long with two threads as with one.
    """
    import torch

    before = torch.get_num_threads()
    if values > FEW_VALUES or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra and torch, where it is loaded, use one thread; the numbers before are restored."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    if torch and before != 1:
        torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        if torch and before != 1:
            torch.set_num_threads(before)


def one_threaded(steps: Generator[Reported, None, Result]) -> Generator[Reported, None, Result]:
    """Pass the reports of a fit on and compute all of it in one thread.

    Several threads add the same numbers up in another order, and training makes a last digit a different network. What
    is computed in one thread is the same in this process, in a process of its own and on a cluster. Between two
    reports the numbers of threads are those of whoever drains this.
    """
    while True:
        with one_thread():
            try:
                report = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
        yield report


@cache
def _threadpools() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def wait_for(
    phase: str, call: Callable[[], Result], fraction: float, stop: StopToken | None, message: str
) -> Generator[Progress, None, Result]:
    """Do one long call in a thread of its own and report while it runs; its result is discarded on a stop request.

    Raises
    ------
    FitError
        With ``message``, if it was stopped.
    """

    def waiting(_: None) -> Progress:
        if stopped(stop):
            raise FitError(message)
        return Progress(phase, 0, 1, fraction)

    yield waiting(None)
    waiting(None)  # a stop between the report and the call: nothing has been done yet
    return (yield from converted(in_background(call), waiting))


def load_torch() -> None:
    """Import torch with what its first optimizer imports, seconds of work that a fit would spend at its start."""
    import torch

    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def pick_device(name: str = "auto") -> torch.device:
    """Return the torch device called ``name``; ``"auto"`` takes a GPU when there is one.

    Raises
    ------
    DataError
        If the named device is not available on this machine.
    """
    import torch

    from napari_tissue_dynamics.errors import DataError

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise DataError(
            f"The device {name!r} cannot be used on this machine ({error}). Choose 'auto' or 'cpu'."
        ) from error
    return device


def torch_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch random generator of its own, seeded with ``seed``."""
    import torch

    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def seeded_initialisation(seed: int) -> Iterator[None]:
    """Seed torch for the initial weights of a network and give the global state back afterwards.

    Never hold it open across a ``yield`` of a fit.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def worker_threads() -> int:
    """Return how many threads a fit may use so that the window keeps one core when it can."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, cores - 1)


def loading(stop: StopToken | None) -> Generator[Progress, None, None]:
    """Load torch, which takes seconds the first time, while the user can still stop the run."""
    yield from wait_for("loading torch", load_torch, 0.0, stop, NOT_BEGUN)


def wait(
    phase: str, call: Callable[[], Result], fraction: float, stop: StopToken | None
) -> Generator[Progress, None, Result]:
    """Do one long call in a thread of its own; see :func:`.compute.wait_for`."""
    message = "The run was stopped before its arrows were complete; earlier results are unchanged."
    return (yield from wait_for(phase, call, fraction, stop, message))
