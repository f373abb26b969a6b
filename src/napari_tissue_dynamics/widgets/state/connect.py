"""Connections that end with the widget that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject


def listen(owner: QObject, signal: Any, slot: Callable[..., None]) -> None:
    """Connect a psygnal or napari signal for as long as ``owner`` lives.

    A deleted Qt object behind a live signal is the usual late crash.
    """
    signal.connect(slot)
    owner.destroyed.connect(lambda *_: signal.disconnect(slot))
