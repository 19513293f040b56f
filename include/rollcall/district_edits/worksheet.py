"""A district's schools as a CSV file, to decide about many of them in a spreadsheet.

Only `sourced_id` and `site` are read back. The other columns help to decide.
"""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from rollcall.district_edits.sites import School, Schools, decided
from rollcall.errors import ActionRequired
from rollcall.files.private import write_private
from rollcall.files.spreadsheet import to_csv, unescape_cell
from rollcall.settings.sections import UNDECIDED

COLUMNS = pa.schema(
    [
        ("sourced_id", pa.string()),
        ("identifier", pa.string()),
        ("name", pa.string()),
        ("type", pa.string()),
        ("students", pa.int64()),
        ("staff", pa.int64()),
        ("state", pa.string()),
        ("site", pa.string()),
        ("site_name", pa.string()),
        ("suggestion", pa.string()),
        ("note", pa.string()),
    ]
)

#: The number of mistakes listed at once.
_LISTED = 20


def write(schools: Schools) -> str:
    """The worksheet. `site` is empty for an undecided school."""
    return to_csv(pa.Table.from_pylist([_row(school) for school in schools.schools], schema=COLUMNS)).decode()


def save(schools: Schools, path: Path) -> None:
    """Write it with the byte order mark that tells spreadsheets it is UTF-8."""
    write_private(path, write(schools).encode("utf-8-sig"))


def read(schools: Schools, path: Path) -> dict[str, str]:
    """The decisions of a worksheet: sourcedId to a site's ID, `exclude`, or `undecided`.

    :raises ActionRequired: `worksheet` with every wrong line. Nothing of it is applied.
    """
    schools.require_targets()
    rows = csv.reader(io.StringIO(_text(path), newline=""), delimiter=_delimiter(path))
    header = [name.strip().lower() for name in next(rows, [])]
    if missing := {"sourced_id", "site"} - set(header):
        raise _wrong(schools, path, [f"line 1: missing column {', '.join(sorted(missing))}"])
    at, site_at = header.index("sourced_id"), header.index("site")
    known = {school.sourced_id for school in schools.schools}
    decisions: dict[str, str] = {}
    problems = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cells = [*row, *[""] * (len(header) - len(row))]
        key, site = _sourced_id(cells[at], known), unescape_cell(cells[site_at].strip())
        line = f"line {rows.line_num}"
        if key not in known:
            problems.append(f"{line}: no school has the sourcedId {key!r}")
        elif key in decisions:
            problems.append(f"{line}: the school {key!r} is listed twice")
        else:
            try:
                decisions[key] = schools.site(site) if site else UNDECIDED
            except ActionRequired as wrong:
                problems.append(f"{line}: {wrong.message.rstrip('.')}")
    if problems:
        raise _wrong(schools, path, problems)
    return decisions


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # how a spreadsheet on Windows saves plain CSV


def _delimiter(path: Path) -> str:
    """Spreadsheets in many countries write semicolons."""
    header = _text(path).partition("\n")[0]
    return max(",;\t", key=header.count)


def _row(school: School) -> dict[str, object]:
    plain = asdict(school)
    site = decided(school)
    shown = {"state": school.state_text, "site": "" if site == UNDECIDED else site}
    return {name: plain.get(name) for name in COLUMNS.names} | shown


def _sourced_id(cell: str, known: set[str]) -> str:
    """The sourcedId of a cell. A spreadsheet or a person may have added spaces around it, or the district has them."""
    return key if (key := unescape_cell(cell)) in known else unescape_cell(cell.strip()).strip()


def _wrong(schools: Schools, path: Path, problems: list[str]) -> ActionRequired:
    listed = "; ".join(problems[:_LISTED])
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    return ActionRequired(
        "worksheet",
        f"{path.name} has mistakes: {listed}{more}.",
        remedy="Nothing was changed. Correct these lines and import the file again.",
        district=schools.district.district,
    )
