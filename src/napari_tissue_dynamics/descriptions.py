"""Settings by name, with the descriptions in their docstrings, for forms, the command line, logs and files.

A settings class may hold a group of settings, another dataclass; its names then count as those of the class.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

Settings = TypeVar("Settings")


def groups_of(settings: type) -> dict[str, type]:
    """Return the groups of settings in a settings class, by the name of the field."""
    found = fields(settings) if is_dataclass(settings) else ()
    return {field.name: type(field.default) for field in found if is_dataclass(field.default)}


def setting_types(settings: type) -> dict[str, Any]:
    """Return the annotation of every setting, with its limits, in order."""
    hints, groups = get_type_hints(settings, include_extras=True), groups_of(settings)
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(settings)):
        found |= setting_types(groups[name]) if name in groups else {name: hints[name]}
    return found


def setting_values(settings: Any) -> dict[str, Any]:
    """Return the value of every setting, in order."""
    groups = groups_of(type(settings))
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(settings)):
        value = getattr(settings, name)
        found |= setting_values(value) if name in groups else {name: value}
    return found


def with_settings(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return settings with other values.

    Raises
    ------
    TypeError
        If there is no setting of a name.
    """
    unknown = sorted(values.keys() - setting_values(settings).keys())
    if unknown:
        raise TypeError(f"{type(settings).__name__} has no setting {unknown[0]!r}")
    changed = dict(values)
    for name in groups_of(type(settings)):
        group: Any = getattr(settings, name)
        inside = {key: changed.pop(key) for key in setting_values(group) if key in changed}
        changed[name] = with_settings(group, inside)
    return replace(settings, **changed)  # type: ignore[type-var]


def parameter_texts(documented: type) -> dict[str, str]:
    """Return what the ``Parameters`` section of a numpy docstring contains for every name, including groups."""
    text = inspect.getdoc(documented) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.group(1).splitlines() if section else ():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(":")[0].split(",")]
        else:
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    texts = {name: text.replace("``", "'") for name, text in found.items()}
    for name, group in groups_of(documented).items():
        texts.pop(name, None)
        texts |= parameter_texts(group)
    return texts
