"""From a tissue to its clock and the evidence for its direction: what every velocity model begins with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from napari_tissue_dynamics.compute import one_blas_thread, wait_for
from napari_tissue_dynamics.kinetics.clock import nearest_in_tissue, read_clock
from napari_tissue_dynamics.kinetics.evidence import Tested, find_evidence
from napari_tissue_dynamics.kinetics.phase_line import fit_line
from napari_tissue_dynamics.kinetics.prepare import choose_counts, finer, see

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
    from napari_tissue_dynamics.kinetics.clock import Clock
    from napari_tissue_dynamics.kinetics.config import ClockConfig
    from napari_tissue_dynamics.kinetics.phase_line import Line
    from napari_tissue_dynamics.kinetics.prepare import Counts, Seen
    from napari_tissue_dynamics.kinetics.root_cells import Origin
    from napari_tissue_dynamics.progress import Progress, StopToken

Result = TypeVar("Result")

STOPPED = "The fit was stopped before velocities were computed; nothing was changed."
# Where the parts end, as shares of the whole; measured on 2 000 cells and 200 genes.
COUNTED, SEEN, CLOCKED = 0.1, 0.3, 0.8


@dataclass(frozen=True, eq=False)
class Foundation:
    """The clock of a tissue, and what it was read from.

    Parameters
    ----------
    counts
        Counts of the chosen genes.
    seen
        Moments and similar cells.
    line
        Lines through the phase portraits.
    clock
        Time, regimes and rates.
    evidence
        Whether the counts support its direction.
    config
        The settings.
    """

    counts: Counts
    seen: Seen
    line: Line
    clock: Clock
    evidence: VelocityEvidence
    config: ClockConfig

    @cached_property
    def fine(self) -> Seen:
        """Moments with more detail, see :func:`.finer`."""
        return finer(self.counts, self.seen, self.config)


def foundation_steps(
    tissue: Tissue, config: ClockConfig, origin: Origin, stop: StopToken | None = None
) -> Generator[Progress, None, Foundation]:
    """Read the clock of a tissue and test its direction.

    A direction that was given, by root cells or stages, is tested as it is; otherwise times are read from one part of
    the genes and tested on the other.

    Raises
    ------
    DataError
        If counts or the known order are unusable.
    FitError
        If the fit was stopped.
    """

    def wait(phase: str, call: Callable[[], Result], fraction: float) -> Generator[Progress, None, Result]:
        return (yield from wait_for(phase, lambda: _in_one_thread(call), fraction, stop, STOPPED))

    counts = yield from wait("genes", lambda: choose_counts(tissue, config), 0.0)
    seen = yield from wait("moments", lambda: see(counts, config), COUNTED)
    known = origin.time(seen.graph, seen.components)
    line = yield from wait("slopes", lambda: fit_line(seen.unspliced, seen.spliced, config), SEEN)
    sections = tissue.sections
    samples, names = (None, ()) if sections is None else (sections.codes, sections.categories)
    clock = yield from wait(
        "time and regimes",
        lambda: read_clock(seen, line, config, samples=samples, known=known, tissue=nearest_in_tissue(tissue)),
        SEEN,
    )
    time = None if known is None else clock.shared.time
    tested = yield from wait(
        "evidence", lambda: Tested.of(counts, seen, clock.regime, config, samples=samples, time=time), CLOCKED
    )
    evidence = yield from wait("evidence", lambda: find_evidence(tested, names), CLOCKED)
    return Foundation(counts, seen, line, clock, evidence, config)


def _in_one_thread(call: Callable[[], Result]) -> Result:
    """Compute in one thread: sums in another order would be another result on another machine."""
    with one_blas_thread():
        return call()
