"""Loading and waiting without keeping a person who wants to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from napari_tissue_dynamics.compute import in_background, load_torch, wait_for
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.progress import Progress, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_tissue_dynamics.progress import StopToken

Result = TypeVar("Result")

NOT_BEGUN = "The run was stopped before it began; earlier results are unchanged."


def loading(stop: StopToken | None) -> Generator[Progress, None, None]:
    """Load torch, which takes seconds the first time, without keeping a person who wants to stop."""
    steps = in_background(load_torch)
    while not stopped(stop):
        try:
            next(steps)
        except StopIteration:
            return
        yield Progress("loading torch", 0, 1, 0.0)
    raise FitError(NOT_BEGUN)


def wait(
    phase: str, call: Callable[[], Result], fraction: float, stop: StopToken | None
) -> Generator[Progress, None, Result]:
    """Do one long call in a thread of its own; see :func:`.compute.wait_for`."""
    message = "The run was stopped before its arrows were complete; earlier results are unchanged."
    return (yield from wait_for(phase, call, fraction, stop, message))
