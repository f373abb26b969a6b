"""No file imports itself by way of others, also not for the type checker only."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import napari_tissue_dynamics

PACKAGE = "napari_tissue_dynamics"


def imports_of(root, package=PACKAGE):
    """Return the modules of the package that each of its files imports, wherever in the file."""
    files = {".".join((package, *path.relative_to(root).with_suffix("").parts)): path for path in root.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    graph = {}
    for module, path in files.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in files else node.module for name in names}
        graph[module] = found & files.keys() - {module}
    return graph


def test_no_file_imports_itself_by_way_of_others():
    graph = imports_of(Path(napari_tissue_dynamics.__file__).parent)
    assert len(graph) > 300
    assert sum(map(len, graph.values())) > 1500
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_a_circle_for_the_type_checker_is_found(tmp_path):
    (tmp_path / "one.py").write_text("def use():\n    from p.two import b\n")
    (tmp_path / "two.py").write_text("if TYPE_CHECKING:\n    from p import one\n")
    with pytest.raises(CycleError):
        TopologicalSorter(imports_of(tmp_path, "p")).prepare()
