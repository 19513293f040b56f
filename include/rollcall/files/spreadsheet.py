"""CSV that people open in a spreadsheet: no cell of it is ever taken for a formula.

What a provider writes into a name can be a formula (`=HYPERLINK(…)`, `@SUM(…)`), and a spreadsheet runs it. A cell that
could be one gets an apostrophe before it, as OWASP's page about CSV injection says; every text is quoted, so that a
spreadsheet that splits at semicolons finds none inside a cell. :func:`restored` takes the apostrophe off again: a cell
that begins with apostrophes before a sign gets one more, so that no two texts are written alike.
"""

from __future__ import annotations

import io
import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

#: What spreadsheets skip at the beginning of a cell: blanks of all kinds, control characters, what is invisible.
_SKIPPED = r"\x00-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
#: The signs a formula begins with, also in full and small width, which a Japanese or Chinese Excel takes for the same.
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
#: A TAB or a line break at the beginning moves what follows into a cell of its own.
_DANGEROUS = rf"^'*(?:[{_SKIPPED}]*[{_SIGNS}]|[\t\r\n])"
_PATTERN = re.compile(_DANGEROUS)
#: The same for Arrow's regular expressions, which write a code point otherwise.
_ARROW_PATTERN = re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", _DANGEROUS)


def to_csv(rows: pa.Table) -> bytes:
    """The rows with a header, as CSV in UTF-8; numbers, dates and booleans stay what they are."""
    buffer = io.BytesIO()
    pacsv.write_csv(pa.table([_guarded(column) for column in rows.columns], names=rows.column_names), buffer)
    return buffer.getvalue()


def restored(cell: str) -> str:
    """The value of a cell that :func:`to_csv` wrote."""
    return cell[1:] if cell.startswith("'") and _PATTERN.match(cell) else cell


def _guarded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    apostrophe = pa.scalar("'", column.type)
    dangerous = pc.match_substring_regex(column, _ARROW_PATTERN)
    return pc.if_else(dangerous, pc.binary_join_element_wise(apostrophe, column, pa.scalar("", column.type)), column)
