"""How an image was moved under the cells: flipped, its axes swapped, enlarged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_tissue_dynamics.errors import DataError

WORDS = {"swap": "swap", "flip-x": "flip_x", "flip-y": "flip_y"}
SCALE = "scale"
AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class Placement:
    """A move of an image: x and y swapped first, then mirrored, then enlarged about the zero of the coordinates.

    The image moves and the cells stay, so that distances, neighbors and results remain what they are. There are
    eight ways to lay a picture without enlarging it, and the three switches reach them all.

    Parameters
    ----------
    swap
        Rows become columns: for files that list (row, column) in place of (x, y).
    flip_x, flip_y
        Left and right, or top and bottom, change places, inside the frame of the image.
    scale
        Factor of the side of a pixel.
    """

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise DataError(f"The image scale is {self.scale}; a number above 0 was expected.")

    @classmethod
    def parse(cls, text: str) -> Placement:
        """Return the placement that a text names, such as ``"swap, flip-x, scale 0.5"``.

        Raises
        ------
        DataError
            If a word is not known.
        """
        found: dict[str, object] = {}
        for part in (part.strip().lower() for part in text.split(",")):
            if part in WORDS:
                found[WORDS[part]] = True
            elif part.startswith(SCALE):
                found[SCALE] = _number(part.removeprefix(SCALE).strip(" ="))
            elif part not in ("", AS_IT_IS):
                raise DataError(
                    f"{part!r} is not an image placement. Give 'swap', 'flip-x', 'flip-y' or 'scale 2', "
                    "comma-separated."
                )
        return cls(**found)  # type: ignore[arg-type]

    def __str__(self) -> str:
        parts = [word for word, name in WORDS.items() if getattr(self, name)]
        parts += [f"{SCALE} {self.scale:.6g}"] if self.scale != 1 else []
        return ", ".join(parts) or AS_IT_IS

    def then(self, other: Placement) -> Placement:
        """Return the one placement that does this and then the other."""
        x, y = (self.flip_y, self.flip_x) if other.swap else (self.flip_x, self.flip_y)
        scale = float(f"{self.scale * other.scale:.12g}")  # there and back again is exactly as it was
        return Placement(self.swap != other.swap, x != other.flip_x, y != other.flip_y, scale)

    @property
    def undone(self) -> Placement:
        """Return the placement that takes this one back."""
        x, y = (self.flip_y, self.flip_x) if self.swap else (self.flip_x, self.flip_y)
        return Placement(self.swap, x, y, 1 / self.scale)


AS_IN_FILE = Placement()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"'scale {text}' contains no number. Give a number above 0, such as 'scale 2'.") from None
