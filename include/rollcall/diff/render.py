"""A diff on a terminal, as CSV and as JSON."""

from __future__ import annotations

import json
from typing import IO, Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from rollcall.diff.diff import Diff
from rollcall.diff.lines import COLUMNS
from rollcall.files.spreadsheet import to_csv


def print_diff(diff: Diff, limit: int, file: IO[str] | None = None) -> None:
    """Totals first, then person by person; a person's name stands once."""
    console = Console(file=file, width=None if file is None or file.isatty() else 160, highlight=False)
    console.print(f"[bold]{escape(diff.heading)}[/]")
    totals = diff.totals()
    if not totals:
        console.print("Nothing changes.")
        return
    console.print(_grid(["what", "reason", "people"], totals))
    shown = diff.lines.head(limit)
    grid = Grid(box=None, pad_edge=False, header_style="dim", title_justify="left")
    for name in ("name", "school", "grade", "what", "before", "after", "reason"):
        grid.add_column(name, overflow="fold")
    previous = None
    for row in shown.to_dict("records"):
        head = [row[name] if row["sourced_id"] != previous else "" for name in ("name", "school", "grade")]
        previous = row["sourced_id"]
        reason = f"{row['reason']}: {row['because']}" if row["because"] else row["reason"]
        grid.add_row(*(escape(str(text or "")) for text in (*head, row["what"], row["before"], row["after"], reason)))
    console.print(grid)
    if len(diff.lines) > len(shown):
        console.print(f"… and {len(diff.lines) - len(shown):,} lines more (--limit, --school, --csv)", style="dim")


def _grid(columns: list[str], rows: list[dict[str, Any]]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        grid.add_column(name, justify="right" if name == "people" else "left")
    for row in rows:
        grid.add_row(*(f"{row[name]:,}" if name == "people" else escape(str(row[name] or "")) for name in columns))
    return grid


def write_csv(diff: Diff, limit: int | None, file: IO[str]) -> None:
    """The lines alone, with a header, safe to open in a spreadsheet."""
    lines = diff.lines if limit is None else diff.lines.head(limit)
    texts = {name: pa.array(lines[name], pa.string(), from_pandas=True) for name in COLUMNS}
    file.write(to_csv(pa.table(texts)).decode())


def as_json(diff: Diff, limit: int | None) -> str:
    """What it is of, the totals and the lines."""
    lines = diff.lines if limit is None else diff.lines.head(limit)
    told = {**diff.facts, "totals": diff.totals(), "lines": lines.to_dict("records")}
    return json.dumps(told, default=str, indent=1)
