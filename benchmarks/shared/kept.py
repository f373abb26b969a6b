"""Rows of results, kept after every run: the same command goes on where it was ended."""

import json
import tempfile
from pathlib import Path


def run_missing(options, cases, prepare, run, report=print):
    """Run every method on every case and seed that has no row in ``options.out`` yet; return all rows.

    Parameters
    ----------
    options
        Has ``out``, ``seeds`` and ``methods``.
    cases
        What is simulated, dictionaries.
    prepare
        ``prepare(folder, case, seed)`` writes what the methods read, and returns what is true of it.
    run
        ``run(method, folder, made, case, seed)`` returns ``{"scores": ...}``, or ``{"error": ...}``.
    """
    rows = json.loads(options.out.read_text()) if options.out.exists() else []
    for case in cases:
        for seed in options.seeds:
            done = {row["method"] for row in rows if (row["case"], row["seed"]) == (case, seed) and "error" not in row}
            missing = [method for method in options.methods if method not in done]
            if not missing:
                continue
            rows = [row for row in rows if (row["case"], row["seed"]) != (case, seed) or row["method"] in done]
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                made = prepare(folder, case, seed)
                for method in missing:
                    found = run(method, folder, made, case, seed)
                    rows.append({"case": case, "seed": seed, "method": method, **found})
                    _keep(rows, options.out)
                    report(_one_line(rows[-1]))
    return rows


def finish(options, text):
    """Print the tables, or write them to ``options.table``."""
    if options.table is None:
        print(text)
    else:
        options.table.write_text(text)


def _keep(rows, path):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows, indent=1))
    part.replace(path)


def _one_line(row):
    what = f"{' '.join(map(str, row['case'].values()))}, seed {row['seed']}, {row['method']}"
    if "error" in row:
        return f"{what}: failed\n{row['error']}"
    return f"{what}: " + ", ".join(f"{name} {value:.3g}" for name, value in row["scores"].items())
