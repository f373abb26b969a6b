r"""The course of a gene through its phase portrait, with splicing at rate 1 and the steady state at (1, 1).

.. math:: \frac{dU}{d\tau} = \omega - U, \qquad \frac{dS}{d\tau} = r (U - S)

with transcription on (:math:`\omega = 1`) from (0, 0) for a time :math:`T`, and off (:math:`\omega = 0`) from where it
then is. The solution, for both phases from their starting point (:math:`U_0, S_0`), is

.. math::

    U = \omega + (U_0 - \omega) e^{-\tau}, \qquad
    S = \omega + (S_0 - \omega) e^{-r \tau} + r (U_0 - \omega) \frac{e^{-\tau} - e^{-r \tau}}{r - 1}

The functions take arrays of numpy or tensors of torch; ``xp`` is the one module or the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

# The quotient is computed for a ratio of rates no closer to 1 than this; it changes by about as much.
CLOSEST = 1e-9
# A phase without transcription is followed until this share of the slower RNA is left.
LEFT = 0.003


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Logarithms of what sets the curve of every gene, (G, 1) each.

    Parameters
    ----------
    slope
        Unspliced over spliced RNA at the steady state.
    top
        Spliced RNA at the steady state that transcription leads to.
    ratio
        Rate of degradation over that of splicing.
    switch
        Time after which transcription ends, in units of one over the splicing rate.
    """

    slope: Any
    top: Any
    ratio: Any
    switch: Any

    @classmethod
    def of(cls, stacked: Any) -> Shape:
        """Take the four columns of a (G, 4) array."""
        return cls(*(stacked[:, k : k + 1] for k in range(4)))

    def tops(self, xp: Any) -> tuple[Any, Any]:
        """Return unspliced and spliced RNA of the steady state, (G, 1) each."""
        spliced = xp.exp(self.top)
        return spliced * xp.exp(self.slope), spliced

    def longest(self, xp: Any) -> Any:
        """Return the time, (G, 1), after which hardly any RNA is left without transcription."""
        ratio = xp.exp(self.ratio)
        return -log(LEFT) / xp.minimum(ratio, xp.ones_like(ratio))


def switch_point(shape: Shape, xp: Any) -> tuple[Any, Any]:
    """Return U and S at the end of transcription, (G, 1) each."""
    slow, _, between = exponentials(xp.exp(shape.switch), xp.exp(shape.ratio), xp)
    return 1 - slow, 1 - slow - between


def curve(shape: Shape, tau: Any, on: Any, xp: Any) -> tuple[Any, Any]:
    """Return U and S a time ``tau`` into the phase with (``on`` is 1) or without (0) transcription."""
    end_u, end_s = switch_point(shape, xp)
    ratio = xp.exp(shape.ratio)
    slow, other, between = exponentials(tau, ratio, xp)
    start_u, start_s = (1 - on) * end_u - on, (1 - on) * end_s - on
    return on + start_u * slow, on + start_s * other + ratio * start_u * between


def exponentials(tau: Any, ratio: Any, xp: Any) -> tuple[Any, Any, Any]:
    """Return exp(-tau), exp(-ratio tau) and their difference over (ratio - 1), also where the ratio is 1."""
    one = xp.ones_like(ratio)
    gap = xp.maximum(xp.abs(ratio - 1), one * CLOSEST)
    # The slower of the two is taken out, so that nothing grows.
    slower = xp.exp(-xp.minimum(ratio, one) * tau)
    between = -slower * xp.expm1(-gap * tau) / gap
    faster = slower - gap * between
    degrades_faster = ratio >= 1
    return xp.where(degrades_faster, slower, faster), xp.where(degrades_faster, faster, slower), between
