"""Whether the counts support the direction of a velocity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict = Literal["supported", "weak", "none", "contradicted"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

SENTENCES: dict[Verdict, str] = {
    "supported": "The counts support this direction.",
    "weak": "The counts support this direction weakly: take it as a hint.",
    "none": "The counts do not tell a direction: these arrows may be noise.",
    "contradicted": "The counts contradict this direction: the arrows may well be reversed.",
}
NOT_TESTED = "Whether the counts support this direction was not tested."


def direction_in_words(evidence: VelocityEvidence | None) -> str:
    """Return what to tell the reader of a direction, whether it was tested or not.

    >>> direction_in_words(None)
    'Whether the counts support this direction was not tested.'
    """
    return NOT_TESTED if evidence is None else evidence.sentence


@dataclass(frozen=True, slots=True)
class VelocityEvidence:
    """What the counts say of the direction of a velocity, tested on genes that time was not read from.

    Parameters
    ----------
    verdict
        ``supported``, ``weak``, ``none`` or ``contradicted``.
    pairing_z
        How much better the spliced RNA of a gene follows its own unspliced RNA, forward in time, than that of other
        genes, in standard deviations of exchanged genes; or how much better the two kinds of RNA of a cell fit
        together than those of different cells, if that is less.
    lag_z
        How much better unspliced RNA tells where spliced RNA goes than other spliced counts of the same cells do, in
        standard errors.
    regime_z
        (K,) the first of these inside every kinetic regime; empty if there is one.
    samples
        The verdict of every sample, by its name; empty if there is one.
    caution
        What the tests cannot see and the reader should know, or "".

    Raises
    ------
    DataError
        If the verdict is not one of the four.
    """

    verdict: Verdict
    pairing_z: float
    lag_z: float
    regime_z: tuple[float, ...] = ()
    samples: Mapping[str, Verdict] = field(default_factory=dict)
    caution: str = ""

    def __post_init__(self) -> None:
        unknown = [verdict for verdict in (self.verdict, *self.samples.values()) if verdict not in VERDICTS]
        if unknown:
            raise DataError(f"The verdict {unknown[0]!r} is unknown; {', '.join(VERDICTS)} were expected.")

    @property
    def supported(self) -> bool:
        """Whether arrows may be drawn as findings."""
        return self.verdict == "supported"

    @property
    def sentence(self) -> str:
        """What to tell the reader, one or two sentences.

        >>> VelocityEvidence("none", 0.4, 1.0).sentence
        'The counts do not tell a direction: these arrows may be noise. (pairing z 0.4, lag z 1.0)'
        """
        said = f"{SENTENCES[self.verdict]} (pairing z {self.pairing_z:.1f}, lag z {self.lag_z:.1f})"
        others = [f"{name}: {verdict}" for name, verdict in self.samples.items() if verdict != self.verdict]
        return " ".join(part for part in (said, f"{'; '.join(others)}." if others else "", self.caution) if part)
