"""Results as Markdown: one table per tissue, one row per method, mean ± standard deviation over seeds."""

import numpy as np

COLUMNS = {
    "accuracy": "2-D accuracy",
    "accuracy_expression": "over expression neighbors",
    "accuracy_own": "own projection",
    "time": "time rank correlation",
    "time_within": "within regimes",
    "cbdir": "CBDir",
    "icvcoh": "ICVCoh",
    "gene_cosine": "gene cosine",
    "genes": "genes",
    "ari": "regimes ARI",
    "wall": "wall s",
    "cpu": "CPU s",
    "peak_mib": "peak MiB",
}
WHOLE = {"genes", "wall", "cpu", "peak_mib"}


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
    seeds = sorted({row["seed"] for row in rows})
    title = f"{case['tissue']}, {case['kinetics']} kinetics, {case['noise']} noise"
    lines = [
        f"### {title}",
        "",
        f"{case['cells']} cells x {case['genes']} genes, STEER schedule {case['schedule']}, "
        f"seeds {', '.join(map(str, seeds))}.",
        "",
        f"| method | {' | '.join(COLUMNS.values())} |",
        f"|---|{'---|' * len(COLUMNS)}",
        *(_line(method, members) for method, members in methods.items()),
        "",
    ]
    return "\n".join(lines)


def _line(method, rows):
    worked = [row for row in rows if "error" not in row]
    failed = f" ({len(rows) - len(worked)} of {len(rows)} failed)" if len(worked) < len(rows) else ""
    cells = [_cell(name, [row["scores"][name] for row in worked if name in row["scores"]]) for name in COLUMNS]
    return f"| {method}{failed} | {' | '.join(cells)} |"


def _cell(name, values):
    """Return mean ± standard deviation; a dash where a method has no such result."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not known.size:
        return "-"
    digits = 0 if name in WHOLE else 3
    spread = f" ± {known.std(ddof=1):.{digits}f}" if known.size > 1 else ""
    return f"{known.mean():.{digits}f}{spread}"
