"""Results as Markdown: one table per case, one row per method, mean ± standard deviation over seeds."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Column:
    """A score in the table: its title, its digits, and whether a share is shown in percent."""

    title: str
    digits: int = 3
    percent: bool = False

    def text(self, values):
        """Return mean ± standard deviation; a dash where a method has no such result."""
        known = np.array([value for value in values if np.isfinite(value)])
        if not known.size:
            return "-"
        factor, unit = (100, " %") if self.percent else (1, "")
        spread = f" ± {factor * known.std(ddof=1):.{self.digits}f}" if known.size > 1 else ""
        return f"{factor * known.mean():.{self.digits}f}{spread}{unit}"


def tables(rows, columns, head, order=()):
    """Return the tables of all cases among ``rows``.

    Parameters
    ----------
    rows
        What :func:`kept.run_missing` returns.
    columns
        :class:`Column` by the name of a score.
    head
        ``head(case, rows)`` returns what stands above a table.
    order
        Methods in the order of the lines; in that of the rows if empty.
    """
    cases = {}
    for row in sorted(rows, key=lambda row: order.index(row["method"]) if order else 0):
        cases.setdefault(tuple(row["case"].items()), []).append(row)
    return "\n".join(_table(members, columns, head(dict(case), members)) for case, members in cases.items())


def _table(rows, columns, head):
    methods = {}
    for row in rows:
        methods.setdefault(row["method"], []).append(row)
    lines = [
        head,
        "",
        f"| method (runs) | {' | '.join(column.title for column in columns.values())} |",
        f"|---|{'---|' * len(columns)}",
        *(_line(method, members, columns) for method, members in methods.items()),
        "",
    ]
    return "\n".join(lines)


def _line(method, rows, columns):
    worked = [row["scores"] for row in rows if "error" not in row]
    failed = f", {len(rows) - len(worked)} failed" if len(worked) < len(rows) else ""
    cells = [column.text([row[name] for row in worked if name in row]) for name, column in columns.items()]
    return f"| {method} ({len(rows)}{failed}) | {' | '.join(cells)} |"
