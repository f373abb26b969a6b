"""What the import contracts of the lint run cannot say: circles of files, and who changes the layers of a viewer."""

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


CHANGES = {"append", "insert", "extend", "remove", "pop", "clear", "move", "move_multiple", "select_all"}


def changes_of_layers(source):
    """Yield what a file does to the layers of a viewer: classes it imports to make them, calls, a selection it sets."""
    tree = ast.parse(source)
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body.clear()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="napari.layers"):
                yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="layers"), attr=name)) if name in CHANGES:
                yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="viewer" | "_viewer"), attr=name)) if (
                name.startswith("add_") or name == "open"
            ):
                yield ast.unparse(node)
            case ast.Assign(targets=[target]) if ".layers." in ast.unparse(target):
                yield ast.unparse(node)


def test_only_the_canvas_changes_the_layers_of_a_viewer():
    widgets = Path(napari_tissue_dynamics.__file__).parent / "widgets"
    found = {
        path.relative_to(widgets).as_posix(): list(changes_of_layers(path.read_text(encoding="utf-8")))
        for path in widgets.rglob("*.py")
    }
    assert {name for name, changes in found.items() if changes and not name.startswith("canvas/")} == set()
    assert found["canvas/viewer.py"]


@pytest.mark.parametrize(
    "line",
    [
        "from napari.layers import Points",
        "self.viewer.layers.remove(layer)",
        "self.viewer.add_points(data)",
        "self._viewer.layers.selection.active = layer",
    ],
)
def test_a_change_of_layers_is_found(line):
    assert list(changes_of_layers(line))
    assert not list(changes_of_layers(f"if TYPE_CHECKING:\n    {line}"))
