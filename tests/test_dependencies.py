"""A base dependency is one that the source imports, and the source imports nothing that is not listed."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "napari_tissue_dynamics"
IMPORTED_AS = {"scikit-learn": "sklearn", "umap-learn": "umap"}
NOT_IMPORTED = {
    "vispy": "draws points and arrows inside napari; the window's own plots are to be drawn with it",
}
"""Dependencies that the source does not import, and why they are listed all the same."""
WHERE_INSTALLED = {"enlighten"}  # a progress bar of the published estimator, which takes it if it is there


def listed(requirements):
    names = [re.match(r"[\w-]+", line)[0].lower() for line in requirements if "napari-tissue-dynamics" not in line]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


def imported():
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"napari_tissue_dynamics"}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_base_dependency_is_imported():
    assert listed(project()["dependencies"]) - imported() == set(NOT_IMPORTED)


def test_every_import_is_a_dependency_or_an_extra():
    extras = [line for lines in project()["optional-dependencies"].values() for line in lines]
    assert imported() - listed(project()["dependencies"]) - listed(extras) == WHERE_INSTALLED
