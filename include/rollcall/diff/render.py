"""Prints a diff on a terminal, as CSV, or as JSON."""

from __future__ import annotations

from typing import IO, Any

import pyarrow as pa

from rollcall.diff.diff import Diff
from rollcall.diff.lines import COLUMNS
from rollcall.display.terminal import open_console, table
from rollcall.files.spreadsheet import to_csv


def print_diff(diff: Diff, limit: int, file: IO[str] | None = None) -> None:
    """Print the totals, then the lines by person. Each person's name is printed once."""
    console = open_console(file)
    console.print(diff.heading, style="bold")
    totals = diff.totals()
    if not totals:
        console.print("No changes.")
        return
    console.print(table(totals, ["change", "reason", "people"]))
    shown = diff.lines.head(limit)
    rows: list[dict[str, Any]] = []
    previous = None
    for line in shown.to_dict("records"):
        row = {str(name): value for name, value in line.items()}
        if line["detail"]:
            row["reason"] = f"{line['reason']}: {line['detail']}"
        if line["sourced_id"] == previous:
            row |= {"name": "", "school": "", "grade": ""}
        previous = line["sourced_id"]
        rows.append(row)
    console.print(table(rows, ["name", "school", "grade", "change", "before", "after", "reason"]))
    if len(diff.lines) > len(shown):
        console.print(f"… and {len(diff.lines) - len(shown):,} more lines (--limit, --school, --csv)", style="dim")


def as_csv(diff: Diff, limit: int | None) -> bytes:
    """The lines with a header, safe to open in a spreadsheet."""
    lines = diff.lines if limit is None else diff.lines.head(limit)
    texts = {name: pa.array(lines[name], pa.string(), from_pandas=True) for name in COLUMNS}
    return to_csv(pa.table(texts))


def plain(diff: Diff, limit: int | None) -> dict[str, Any]:
    """The facts, the totals, and the lines."""
    lines = diff.lines if limit is None else diff.lines.head(limit)
    return {**diff.facts, "totals": diff.totals(), "lines": lines.to_dict("records")}
