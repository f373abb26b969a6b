"""Results as Markdown: one table per case, one row per method, mean ± standard deviation over seeds."""

import numpy as np

COLUMNS = {
    "cosine": "velocity cosine",
    "cosine_all": "all genes",
    "cosine_even": "genes evenly",
    "trajectory": "trajectory",
    "next": "next cell",
    "own_trajectory": "trajectory, own graph",
    "own_next": "next cell, own graph",
    "time_r": "time r",
    "time_rank": "time rank",
    "fate": "fates, known ends",
    "fate_r": "fate r",
    "fate_found": "fates, found ends",
    "ends_found": "ends found",
    "genes": "genes",
    "cpu": "CPU s",
    "wall": "wall s",
    "peak_mib": "peak MiB",
}
WHOLE = {"genes", "peak_mib"}
SHARES = {"trajectory", "next", "own_trajectory", "own_next", "fate", "fate_found"}


def markdown(rows):
    """Return the tables of all cases among ``rows``."""
    cases = {}
    for row in rows:
        cases.setdefault(tuple(row["case"].items()), []).append(row)
    return "\n".join(_table(dict(case), members) for case, members in cases.items())


def _table(case, rows):
    methods = {}
    for row in rows:
        methods.setdefault(row["method"], []).append(row)
    lines = [
        f"### {case['cells']} cells x {case['genes']} genes, {case['states']} states, {case['branch_points']} branch "
        f"points, noise '{case['noise']}'",
        "",
        f"| method (seeds) | {' | '.join(COLUMNS.values())} |",
        f"|---|{'---|' * len(COLUMNS)}",
        *(_line(method, methods[method]) for method in methods),
        "",
    ]
    return "\n".join(lines)


def _line(method, rows):
    worked = [row for row in rows if "error" not in row]
    failed = f", {len(rows) - len(worked)} failed" if len(worked) < len(rows) else ""
    cells = [_cell(name, [row["scores"][name] for row in worked if name in row["scores"]]) for name in COLUMNS]
    return f"| {method} ({len(rows)}{failed}) | {' | '.join(cells)} |"


def _cell(name, values):
    """Return mean ± standard deviation; a dash where a method has no such result."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not known.size:
        return "-"
    factor, unit = (100, " %") if name in SHARES else (1, "")
    digits = 0 if name in WHOLE else 1 if name in SHARES or name in ("cpu", "wall") else 3
    spread = f" ± {factor * known.std(ddof=1):.{digits}f}" if known.size > 1 else ""
    return f"{factor * known.mean():.{digits}f}{spread}{unit}"
