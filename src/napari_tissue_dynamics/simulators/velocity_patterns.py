"""Named patterns of genes for simulated kinetics: how their rates change in time, group by group.

The names are those of the kinetic simulation of the STEER publication; the values are our own, as theirs are
not published.
"""

from __future__ import annotations

from typing import NamedTuple


class Course(NamedTuple):
    """How a rate changes in time: from ``start`` to ``end`` at ``rate`` (1 per time), or ``end`` throughout."""

    end: float
    start: float | None = None
    rate: float | None = None


class Rates(NamedTuple):
    """Courses of transcription, splicing and degradation of a gene in one group of cells."""

    alpha: Course
    beta: Course
    gamma: Course


def _constant(alpha: float, beta: float, gamma: float) -> Rates:
    return Rates(Course(alpha), Course(beta), Course(gamma))


PATTERNS: dict[str, tuple[Rates, ...]] = {
    # Slow rates, so that the rise is not over when time ends.
    "Partial_Up": (_constant(1.0, 0.1, 0.05), _constant(1.0, 0.1, 0.05)),
    "Trans_Boost": (_constant(1.0, 0.5, 0.3), _constant(5.0, 0.5, 0.3)),
    "Multi_Forward": (_constant(2.0, 0.8, 0.5), _constant(4.0, 0.3, 0.15)),
    # A short burst, then a decline that is not over when time ends.
    "Partial_Down": (
        Rates(Course(0.0, 10.0, 1.0), Course(0.5), Course(0.06)),
        _constant(0.0, 0.5, 0.06),
    ),
    "Multi_Back": (
        Rates(Course(0.0, 10.0, 0.5), Course(1.0), Course(0.1)),
        _constant(0.0, 0.2, 0.4),
    ),
    "Whole_Single": (_constant(3.0, 0.5, 0.3), _constant(0.0, 0.5, 0.3)),
}
"""Rates of two groups of cells, by pattern; for :func:`simulate_kinetics` with its own spans of time."""
