"""CSV that people open in a spreadsheet: no cell is ever run as a formula.

A name from a provider can be a formula (`=HYPERLINK(…)`, `@SUM(…)`), and a spreadsheet runs it. A cell that could be
one gets a leading apostrophe, as OWASP's page about CSV injection recommends. Every text is quoted, so a spreadsheet
that splits at semicolons finds none inside a cell. `unescape_cell` removes the apostrophe. A cell that already starts
with apostrophes before a sign gets one more, so two different texts are never written alike.
"""

from __future__ import annotations

import io
import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

#: What spreadsheets skip at the start of a cell: spaces of all kinds, control characters, invisible characters.
_SKIPPED = r"\x00-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
#: The signs that start a formula. Japanese and Chinese Excel also accept the full-width and small forms.
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
#: A leading tab or line break moves the rest into a cell of its own.
_DANGEROUS = rf"^'*(?:[{_SKIPPED}]*[{_SIGNS}]|[\t\r\n])"
_FORMULA = re.compile(_DANGEROUS)
#: The same in the syntax of Arrow's regular expressions, which write code points as `\\x{…}`.
_ARROW_FORMULA = re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", _DANGEROUS)


def to_csv(rows: pa.Table) -> bytes:
    """The rows with a header, as CSV in UTF-8. Numbers, dates, and booleans are not changed."""
    buffer = io.BytesIO()
    pacsv.write_csv(pa.table([_escape_column(column) for column in rows.columns], names=rows.column_names), buffer)
    return buffer.getvalue()


def unescape_cell(cell: str) -> str:
    """The value of a cell that `to_csv` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _escape_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    apostrophe = pa.scalar("'", column.type)
    dangerous = pc.match_substring_regex(column, _ARROW_FORMULA)
    return pc.if_else(dangerous, pc.binary_join_element_wise(apostrophe, column, pa.scalar("", column.type)), column)
