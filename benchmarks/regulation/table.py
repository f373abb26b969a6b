"""Results as Markdown: one table per size of tissue, one row per method, mean ± standard deviation over seeds."""

import numpy as np

COLUMNS = {
    "correlation": "correlation",
    "within": "within types",
    "sign": "sign",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "r2_random": "R² random",
    "oracle_random": "oracle",
    "r2_random_within": "R² random, within types",
    "oracle_random_within": "oracle",
    "r2_blocks": "R² blocks",
    "oracle_blocks": "oracle",
    "cpu": "CPU s per gene",
    "peak_mib": "peak MiB",
}
DIGITS = {"cpu": 1, "peak_mib": 0}


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
        f"### {case['cells']} cells",
        "",
        f"| method | seeds x genes | {' | '.join(COLUMNS.values())} |",
        f"|---|---|{'---|' * len(COLUMNS)}",
        *(_line(method, members) for method, members in methods.items()),
        "",
    ]
    return "\n".join(lines)


def _line(method, rows):
    worked = [row for row in rows if "error" not in row]
    failed = f" ({len(rows) - len(worked)} of {len(rows)} failed)" if len(worked) < len(rows) else ""
    genes = "/".join(dict.fromkeys(str(len(row["genes"])) for row in worked))
    cells = [_cell(name, [row["scores"][name] for row in worked if name in row["scores"]]) for name in COLUMNS]
    return f"| {method}{failed} | {len(worked)} x {genes} | {' | '.join(cells)} |"


def _cell(name, values):
    """Return mean ± standard deviation; a dash where a method has no such result."""
    if not values:
        return "-"
    digits = DIGITS.get(name, 2)
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
