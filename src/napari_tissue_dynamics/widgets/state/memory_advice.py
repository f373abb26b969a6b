"""Advice on insufficient memory, before a run and after it failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.analysis.readiness.run_cost import Cost, duration, size
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.workflow.models import model_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_tissue_dynamics.analysis.readiness.readiness import Readiness
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.travlr.config import TravlrConfig

ANY = "Choose smaller batches, fewer genes or the device 'cpu', and start again."
"""What helps where nothing more is known of the work."""

_SAID = re.compile(r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|bad_alloc", re.I)
_ON_CARD = re.compile(r"\b(cuda|gpu|mps|hip)\b", re.I)
_WANTED = re.compile(r"(?:allocate|tried to allocate) ([\d.]+) ?([KMGTPE]iB|[MG]B|bytes)", re.I)


def is_short(error: BaseException) -> bool:
    """Return whether an error is about a lack of memory, in any of its wordings."""
    return isinstance(error, MemoryError) or bool(_SAID.search(str(error)))


def in_words(error: BaseException, remedy: str = ANY) -> str:
    """Return what was short of memory, by how much if that is known, and what to do about it."""
    text = str(error)
    place = "The graphics card" if _ON_CARD.search(text) else "This machine"
    found = _WANTED.search(text)
    wanted = f" ({found[1]} {found[2]} more were needed)" if found else ""
    return f"{place} ran out of memory{wanted}. {remedy}"


def advised(make_steps: Steps, remedy: str) -> Steps:
    """Return the same work; where its memory does not suffice, it ends by a sentence with the remedy."""

    def steps(stop: StopToken) -> Generator[Any, None, Any]:
        try:
            return (yield from make_steps(stop))
        except Exception as error:
            if not is_short(error):
                raise
            raise FitError(in_words(error, remedy)) from error

    return steps


def velocity_remedy(config: Any, n_cells: int) -> str:
    """Return which settings of a velocity model make it smaller, with values to try."""
    choices = [f"'{label}' {value}" for label, value in model_of(config).smaller(config, n_cells)]
    return _sentence(choices, config.device)


def regulation_remedy(config: TravlrConfig, n_targets: int, processes: int) -> str:
    """Return which settings of SpaceTravLR make it smaller, with values to try."""
    choices = ["'Processes' 1"] if processes > 1 else []
    if config.estimator == "smooth":
        choices.append(f"'Max modulators' {_half(config.max_modulators or 32, 4)}")
        return _sentence(choices, "cpu", fewer=n_targets // 2)
    choices.append(f"'Batch size' {_half(config.batch_size, 16)}")
    return _sentence(choices, config.device, fewer=n_targets // 2)


def velocity_estimate(config: Any, report: Readiness | None) -> Cost | None:
    """Return what a fit takes with these settings; None for models whose cost was not measured."""
    if report is None or report.steer is None:
        return None
    n_bytes = sum(report.matrices[name].n_bytes for name in ("spliced", "unspliced"))
    return model_of(config).cost(config, report.n_cells, report.n_shared_genes, n_bytes)


def regulation_estimate(config: TravlrConfig, report: Readiness | None, n_targets: int, processes: int) -> Cost | None:
    """Return what a fit takes with these settings; None for the estimator whose cost was not measured."""
    if report is None or report.travlr is None or config.estimator != "smooth" or not n_targets:
        return None
    return Cost(report.travlr.seconds * n_targets / processes, report.travlr.memory * processes)


def said_before(cost: Cost, free: int | None, remedy: str) -> tuple[str, bool]:
    """Return what a run needs beside what is free, with the remedy where that is not enough, and whether it is not."""
    time = f"{duration(cost.seconds)}, " if cost.seconds else ""
    needs = f"Estimated {time}{size(cost.memory)}"
    if free is None:
        return f"{needs}.", False
    short = cost.memory > free
    return f"{needs} ({size(free)} free).{' ' + remedy if short else ''}", short


def _half(number: int, fewest: int) -> int:
    return max(min(number, fewest), number // 2)


def _sentence(choices: list[str], device: str, fewer: int = 0) -> str:
    *first, last = choices if device == "cpu" else [*choices, "the device 'cpu'"]
    ways = f"{', '.join(first)} or {last}" if first else last
    begin = f"Fit {fewer} genes at a time, or choose" if fewer else "Choose"
    return f"{begin} {ways}, and start again."
