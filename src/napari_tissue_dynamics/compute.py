"""Where and with which random numbers a fit computes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


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
