"""How a direction is drawn that the counts support, or do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence, Verdict

# White on black of this opacity has a contrast of 2:1, below the 3:1 that WCAG 2.1 asks of graphics that carry meaning:
# there for those who look for it, and nothing that a figure would be made of.
FAINT = 0.25
# A contrast of 5:1: well seen, and plainly not the 21:1 of a direction that the counts support.
HALF = 0.5

DRAWN: dict[Verdict | None, tuple[float, str]] = {
    "supported": (1.0, "direction supported"),
    "weak": (HALF, "direction weakly supported"),
    "none": (FAINT, "direction not supported"),
    "contradicted": (FAINT, "direction contradicted"),
    None: (HALF, "direction not tested"),
}
"""Opacity of everything that is drawn from a velocity, and what a legend calls it, by verdict; None if not tested."""


def opacity_of(evidence: VelocityEvidence | None) -> float:
    """Return the opacity, 0 to 1, of arrows, lines and particles of a velocity with this evidence."""
    return DRAWN[None if evidence is None else evidence.verdict][0]


def called(evidence: VelocityEvidence | None) -> str:
    """Return in a few words whether the counts support a direction.

    >>> called(None)
    'direction not tested'
    """
    return DRAWN[None if evidence is None else evidence.verdict][1]
