"""Values of settings, checked against the choices and ranges of their class, for Python and the command line alike."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "ge": ("at least", operator.ge),
    "gt": ("above", operator.gt),
    "le": ("at most", operator.le),
    "lt": ("below", operator.lt),
}


def check_setting(name: str, value: Any, hint: Any) -> None:
    """Check the value of one setting.

    Parameters
    ----------
    name
        How the setting is spelled in messages, such as ``--n-genes`` on the command line.
    hint
        Its annotation, with its limits; see :func:`.setting_types`.

    Raises
    ------
    DataError
        If the value is of another type, none of the choices, or out of range.
    """
    limits = getattr(hint, "__metadata__", ())
    kind = get_args(hint)[0] if limits else hint
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise DataError(f"{name} is {value!r}. Choose one of {', '.join(map(repr, get_args(kind)))}.")
    elif kind in (int, float, bool, str) and not _is_a(value, kind):
        raise DataError(f"{name} is {value!r}; a value of type {kind.__name__} was expected.")
    for limit in limits:
        for key, (words, holds) in _LIMITS.items():
            bound = getattr(limit, key, None)
            if bound is not None and not holds(value, bound):
                raise DataError(f"{name} is {value}; it must be {words} {bound}.")


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):  # an int in Python, but not a number to the user
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
