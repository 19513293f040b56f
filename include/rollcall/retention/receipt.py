"""Output of a purge, before and after, for people and for `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rich.table import Table

from rollcall.display.dates import format_instant
from rollcall.display.terminal import open_console, plain_grid
from rollcall.retention.folders import FileTotals
from rollcall.retention.purge import DistrictData, Receipt


def print_district_data(data: DistrictData, file: IO[str]) -> None:
    """Print the stored data before the confirmation."""
    console = open_console(file)
    console.print(f"Stored data of {data.district}", style="bold")
    console.print(_grid(data.rows, data.files))
    for run_id in data.running:
        console.print(f"  Run {run_id} seems to be running.", style="yellow")


def print_receipt(receipt: Receipt, file: IO[str]) -> None:
    """Print what was deleted and what may remain elsewhere."""
    console = open_console(file)
    console.print(f"Deleted: {receipt.district}, {format_instant(receipt.purged_at)}, by {receipt.purged_by}")
    console.print(_grid(receipt.rows, receipt.files))
    console.print("Not deleted by this command:", style="bold")
    for place in receipt.not_reached:
        console.print(f"  {place}")


def receipt_to_json(receipt: Receipt) -> dict[str, Any]:
    """The receipt for `--json`."""
    return {
        "district": receipt.district,
        "purged_at": receipt.purged_at.isoformat(),
        "purged_by": receipt.purged_by,
        "rows": dict(receipt.rows),
        "files": receipt.files.files,
        "bytes": receipt.files.bytes,
        "not_reached": list(receipt.not_reached),
    }


def _grid(rows: Mapping[str, int], files: FileTotals) -> Table:
    grid = plain_grid(show_header=False, padding=(0, 2, 0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right")
    for table, number in rows.items():
        grid.add_row(table, f"{number:,} rows")
    grid.add_row("landing zone and exports", f"{files.files:,} files, {files.bytes:,} bytes")
    return grid
