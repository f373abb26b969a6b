"""How many small changes of the numeric core do the nearest tests notice? Mutants by cosmic-ray, one process each.

A mutant that survives is a line whose sign, operator, comparison or number no test holds. Run where the tests run, with
cosmic-ray installed::

    python benchmarks/mutation/run.py --sample 200 --out survivors.json

Heavy packages are imported once; every mutant is tested in a child process that sees the changed source instead of the
file, so that the working tree stays as it is and several runs can share it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "napari_tissue_dynamics"
SOURCE = ROOT / "src" / PACKAGE

# The numeric core, and the tests nearest to each part of it.
CORE = {
    "kinetics": ("tests/kinetics", "tests/kinetic_models"),
    "kinetic_models": ("tests/kinetic_models",),
    "steer/losses.py": ("tests/steer/test_losses.py", "tests/steer/test_velocity_loss.py"),
    "steer/velocity_loss.py": ("tests/steer/test_velocity_loss.py", "tests/steer/test_losses.py"),
    "steer/prior": ("tests/steer/prior",),
    "travlr/smooth": ("tests/travlr/smooth",),
    "analysis/arrows": ("tests/analysis/arrows",),
    "data/io": ("tests/data/io",),
}
# One change of each kind. Others of the tool (bit operators, `is`, inserted variables) mostly raise at once.
OPERATORS = (
    *(f"ReplaceBinaryOperator_{a}_{b}" for a, b in (("Add", "Sub"), ("Sub", "Add"), ("Mul", "Div"), ("Div", "Mul"))),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in (("Lt", "Gt"), ("Gt", "Lt"), ("LtE", "GtE"), ("GtE", "LtE"))),
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, b in (("Eq", "NotEq"), ("NotEq", "Eq"))),
    *(f"ReplaceUnaryOperator_{name}" for name in ("Delete_USub", "Delete_Not", "Delete_Invert")),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd", "NumberReplacer", "ZeroIterationForLoop"),
)
PRELOADED = ("numpy", "scipy.sparse.linalg", "scipy.stats", "pandas", "anndata", "h5py", "numba", "pytest", "psutil")


def main() -> None:
    options = parser().parse_args()
    mutants = all_mutants(options.only)
    random.Random(options.seed).shuffle(mutants)
    mutants = mutants[: options.sample] if options.sample else mutants
    for name in (*PRELOADED, *(("torch",) if any("steer" in path for path, *_ in mutants) else ())):
        importlib.import_module(name)
    kept = json.loads(options.again.read_text())["survivors"] if options.again else None
    if kept is not None:
        mutants = [(each["file"], each["operator"], each["occurrence"]) for each in kept]
    for path in {part_of(path): path for path, *_ in mutants}.values():
        if tested(path, (SOURCE / path).read_text(), tests_of(path), options.limit) != "survived":
            sys.exit(f"The tests of {path} fail without any change; nothing can be learned from them.")
    killed, survivors = 0, []
    for number, (path, operator, occurrence) in enumerate(mutants, start=1):
        code, line, text = mutated(path, operator, occurrence)
        outcome = tested(path, code, tests_of(path), options.limit)
        killed += outcome != "survived"
        print(f"{number}/{len(mutants)} {outcome} {path}:{line} {operator} {text}", flush=True)
        if outcome == "survived":
            survivors.append(
                {"file": path, "line": line, "operator": operator, "occurrence": occurrence, "changed": text}
            )
            write(options.out, number, killed, survivors)
    write(options.out, len(mutants), killed, survivors)
    print(f"{killed} of {len(mutants)} mutants killed ({killed / max(len(mutants), 1):.0%})")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--only", nargs="*", default=list(CORE), help="parts of the core, such as kinetics")
    options.add_argument("--sample", type=int, default=200, help="number of mutants, drawn at random; 0 for all")
    options.add_argument("--seed", type=int, default=0, help="seed of the draw")
    options.add_argument("--limit", type=float, default=240, help="seconds after which a mutant counts as killed")
    options.add_argument("--again", type=Path, help="test the survivors of an earlier run (its --out)")
    options.add_argument("--out", type=Path, default=Path("survivors.json"), help="file for the survivors")
    return options


def all_mutants(parts: list[str]) -> list[tuple[str, str, int]]:
    """Return file, operator and occurrence of every possible mutant."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    found = []
    for part in parts:
        place = SOURCE / part
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            tree = get_ast(file.read_text())
            for name in OPERATORS:
                operator = get_operator(f"core/{name}")()
                count = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(tree))
                found += [(str(file.relative_to(SOURCE)), name, index) for index in range(count)]
    return found


def mutated(path: str, operator: str, occurrence: int) -> tuple[str, int, str]:
    """Return the changed source, the line that changed, and what stands there now."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (SOURCE / path).read_text()
    code = mutate_code(source, get_operator(f"core/{operator}")(), occurrence)
    pairs = zip(source.splitlines(), code.splitlines(), strict=False)
    line, text = next(((n, new) for n, (old, new) in enumerate(pairs, start=1) if old != new), (0, ""))
    return code, line, text.strip()


def part_of(path: str) -> str:
    """Return the part of the core that a file belongs to."""
    return next(part for part in CORE if path == part or path.startswith(f"{part}/"))


def tests_of(path: str) -> list[str]:
    """Return the tests nearest to a file: those that import it by name, then those of its part."""
    module = re.escape(".".join((PACKAGE, *Path(path).with_suffix("").parts)))
    imported = re.compile(rf"^(from|import) {module}\b", re.MULTILINE)
    own = [str(test) for test in sorted((ROOT / "tests").rglob("test_*.py")) if imported.search(test.read_text())]
    return own + [str(ROOT / each) for each in CORE[part_of(path)] if (ROOT / each).exists()]


def tested(path: str, code: str, tests: list[str], limit: float) -> str:
    """Run the tests on a mutant in a child: ``killed``, ``survived`` or ``timeout``."""
    child = os.fork()
    if child == 0:
        os._exit(_run(path, code, tests))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def _run(path: str, code: str, tests: list[str]) -> int:
    import pytest

    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUMBA_CACHE_DIR"] = folder  # loops compiled from the file on disk must not stand in for a mutant
        module = ".".join((PACKAGE, *Path(path).with_suffix("").parts)).removesuffix(".__init__")
        sys.meta_path.insert(0, _Changed(module, SOURCE / path, code))
        sys.path.insert(0, str(ROOT / "src"))
        os.chdir(ROOT)
        options = ["-x", "-q", "-m", "not slow and not gui", "-p", "no:cacheprovider", "-p", "no:xvfb"]
        return int(pytest.main([*options, *tests]))


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Hands out the changed source of one module."""

    def __init__(self, module: str, file: Path, code: str) -> None:
        self.module, self.file, self.code = module, file, code

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        return importlib.util.spec_from_file_location(name, self.file, loader=self) if name == self.module else None

    def get_data(self, path: str) -> bytes:
        return self.code.encode()

    def get_filename(self, name: str) -> str:
        return str(self.file)


def write(out: Path, number: int, killed: int, survivors: list[dict[str, object]]) -> None:
    out.write_text(json.dumps({"mutants": number, "killed": killed, "survivors": survivors}, indent=1))


if __name__ == "__main__":
    main()
