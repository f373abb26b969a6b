"""Python blocks of the pages run, their command lines are those of the real parser, their links and versions hold."""

import ast
import re
import shlex
from pathlib import Path

import pytest

import napari_tissue_dynamics as td
from napari_tissue_dynamics import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<not_run><!-- not run: .+? -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https?:|#|file:)([^)#\s]+)")


def blocks(path, *languages):
    found = BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [block for block in found if block["language"] in languages]


def python_pages():
    return [path for path in PAGES if blocks(path, "python")]


def imports_us(node):
    return isinstance(node, ast.Import | ast.ImportFrom) and "napari_tissue_dynamics" in ast.unparse(node)


def commands():
    for path in PAGES:
        for block in blocks(path, "", "bash", "sh"):
            for line in block["text"].replace("\\\n", " ").splitlines():
                if line.strip().startswith("tissue-dynamics "):
                    yield pytest.param(line.strip(), id=f"{path.name}: {line.strip()[:60]}")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with the files that the pages open, small ones."""
    folder = tmp_path_factory.mktemp("docs")
    adata = td.simulate(n_cells=150, n_genes=40)
    for name in ("FILE", "tissue"):
        td.save(folder / f"{name}.h5ad", adata)
    td.velocity(adata, "stochastic", min_shared_counts=5, progress=False)
    td.save(folder / "with_velocity.h5ad", adata)
    return folder


@pytest.mark.parametrize("path", python_pages(), ids=lambda path: path.name)
def test_python_blocks_run(path, files, monkeypatch):
    monkeypatch.chdir(files)
    names = {"__name__": "docs"}  # one page is one script
    for number, block in enumerate(blocks(path, "python")):
        tree = ast.parse(block["text"], f"{path.name}, block {number}")
        if block["not_run"]:
            tree.body = [node for node in tree.body if imports_us(node)]
        exec(compile(tree, f"{path.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("line", list(commands()))
def test_commands_are_parsed(line, monkeypatch):
    monkeypatch.setattr("sys.argv", ["tissue-dynamics"])
    words = shlex.split(line, comments=True)[1:]
    if words == ["--version"]:
        return
    words = ["command" if word == "COMMAND" else word for word in words]
    try:
        options = cli._parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"the parser refuses: {line}")
    assert callable(options.run)


def test_there_are_commands_and_blocks():
    assert len(list(commands())) > 20
    assert len(python_pages()) > 8


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(path):
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    missing = [target for target in LINK.findall(text) if not (path.parent / target).exists()]
    assert not missing


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert cited[1] == td.__version__
    assert f"{td.__version__.removesuffix('.dev0')}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_included_file_exists():
    included = [
        name for path in PAGES for name in re.findall(r'^--8<-- "(.+)"$', path.read_text(encoding="utf-8"), re.M)
    ]
    assert included
    assert all((ROOT / name).is_file() for name in included)


def test_the_tests_that_cover_complaints_exist():
    text = (ROOT / "docs" / "developers" / "complaints.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)?(?:::(\w+))?`", text)
    path, found = None, 0
    for name, test in named:
        path = ROOT / name if name else path
        if test:
            found += 1
            assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{path}::{test}"
        elif name:
            assert path.is_file(), path
    assert found > 10
