"""What the docstring of a settings class says about each setting, for forms and for the command line."""

from __future__ import annotations

import inspect
import re


def parameter_texts(documented: type) -> dict[str, str]:
    """Return what the ``Parameters`` section of a numpy docstring says about every name."""
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
    return {name: text.replace("``", "'") for name, text in found.items()}
