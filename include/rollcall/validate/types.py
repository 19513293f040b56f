"""Converts landed text to the types of the tables, whole columns at once.

A value that cannot be parsed becomes null, and that is recorded for the rules. pandas and Arrow quote values in their
exceptions, so nothing here can raise: values are masked first, then cast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.landing.validated import accepted_schema
from rollcall.model.keys import contains_separator
from rollcall.model.no_value import says_no_value
from rollcall.model.tables import ADDED_BY_VALIDATE, Table

#: A date: alone, at midnight with any offset, or with a local time without an offset. The written day is used: a
#: district west of UTC that sends `2026-08-17T00:00:00Z` means August 17.
_DAY = (
    r"^\d{4}-\d{2}-\d{2}(?:[T ](?:\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?|00:00(?::00(?:\.0+)?)?"
    r" ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)))?$"
)

#: A timestamp that is not a written midnight: a date converted to UTC, such as a local midnight. Its day is the day in
#: the district's time zone. In the years 0001 and 9999, which mean "never", the written day is used.
_TIMESTAMP_FOR_DATE = (
    r"^(?P<day>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?"
    r" ?(?P<offset>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
)

#: ISO 8601 as in OneRoster and as providers send it: with any fraction or none, with an offset or without. The year
#: 0001 means "never"; near 9999 an offset leads out of the range that Python and PostgreSQL share.
_TIMESTAMP = r"^[12]\d{3}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"

#: OneRoster limits a GUID to 255 characters. PostgreSQL refuses index entries above about 2,700 bytes, which would fail
#: the whole night.
MAX_ID_LENGTH = 255

#: Columns of users in which a text such as `N/A` means null; in other columns, such as names, `None` may be real.
_NULL_TEXT_COLUMNS = ("email", "username", "identifier")


@dataclass(frozen=True)
class TypedTable:
    """A table's rows in the table's types.

    :param rows: in `accepted_schema`, without the columns that validate adds.
    :param provided: per column of another type than text, where a value was sent.
    """

    rows: pa.Table
    provided: dict[str, pa.Array]

    def parseable(self, column: str) -> pa.Array:
        """True where the value could be parsed or none was sent."""
        return pc.or_(pc.invert(self.provided[column]), pc.is_valid(self.rows.column(column)))

    def take(self, rows: np.ndarray) -> TypedTable:
        """These rows, each at most once, in their order; nothing is copied if they are all rows."""
        if len(rows) == self.rows.num_rows:
            return self
        return TypedTable(
            self.rows.take(rows), {name: flags.take(pa.array(rows)) for name, flags in self.provided.items()}
        )


def to_types(landed: pa.Table, table: Table, timezone: str = "UTC") -> TypedTable:
    """Convert a landed table, or some of its columns, to the table's types; never raises for a value.

    :param timezone: the district's time zone, for a date that was sent as a timestamp.
    """
    added_later = ADDED_BY_VALIDATE.get(table.name, ())
    present = [name for name in landed.column_names if name not in added_later]
    schema = pa.schema([field for field in accepted_schema(table) if field.name in present])
    arrays: list[pa.Array] = []
    provided: dict[str, pa.Array] = {}
    kinds = {column.name: column.kind for column in table.columns}
    for field in schema:
        column = landed.column(field.name)
        text = _blank_to_null(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())
        kind = kinds[field.name]
        if table.name == "users" and field.name in _NULL_TEXT_COLUMNS:
            text = pc.if_else(says_no_value(text, address=field.name == "email"), None, text)
        if kind in ("date", "timestamp", "boolean"):
            provided[field.name] = pc.is_valid(text)
        match kind:
            case "date":
                text = _parse_distinct(text, partial(_parse_dates, timezone=timezone))
            case "timestamp":
                text = _parse_timestamps(text)
            case "boolean":
                text = _parse_distinct(text, _parse_booleans)
            case "text" if field.name.endswith("sourced_id") and (table.parent or field.name == "sourced_id"):
                text = text if (usable := usable_ids(text)) is None else pc.if_else(usable, text, None)
        arrays.append(text.cast(field.type))
    return TypedTable(pa.Table.from_arrays(arrays, schema=schema), provided)


def _blank_to_null(text: pa.Array) -> pa.Array:
    """Null for blank texts. Without blank texts, the usual case, the column is not copied."""
    is_blank = pc.or_(pc.equal(pc.binary_length(text), 0), pc.utf8_is_space(text))
    return pc.if_else(is_blank, None, text) if pc.any(is_blank).as_py() else text


def _parse_distinct(text: pa.Array, parse: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Parse each distinct text once; not for timestamps, which are nearly as many as rows."""
    distinct = text.dictionary_encode()
    return parse(distinct.dictionary).take(distinct.indices)


def _parse_dates(text: pa.Array, timezone: str) -> pa.Array:
    """`2026-08-21`, or the day of a timestamp as `_DAY` and `_TIMESTAMP_FOR_DATE` define it."""
    text = pc.utf8_upper(pc.utf8_trim_whitespace(text))
    written = pc.if_else(pc.match_substring_regex(text, _DAY), pc.utf8_slice_codeunits(text, 0, 10), None)
    days = _days(written)
    instants = _series(text).where(pd.Series(pc.is_null(written).to_numpy(zero_copy_only=False)))
    if (found := instants.str.extract(_TIMESTAMP_FOR_DATE)).notna().any(axis=None):
        days = days.fillna(_local_days(found, timezone))
    return pa.Array.from_pandas(days).cast(pa.date32())


def _days(text: pa.Array | pd.Series) -> pd.Series:
    days = pd.to_datetime(_series(text), format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    return days.where(days.dt.year >= 1)  # neither PostgreSQL nor Python has a year 0000


def _local_days(found: pd.DataFrame, timezone: str) -> pd.Series:
    """The days of timestamps in a time zone.

    :param found: `day`, `time`, and `offset` as written.
    """
    offset = found["offset"].replace({"UTC": "Z", "GMT": "Z"})
    instants = pd.to_datetime(
        found["day"] + "T" + found["time"] + offset, format="ISO8601", utc=True, errors="coerce"
    ).astype("datetime64[s, UTC]")
    written = _days(found["day"])
    is_never = written.dt.year.isin([1, 9999]) & instants.notna()
    # a time zone could lead out of the years that Python supports
    local = instants.where(written.notna() & ~is_never).dt.tz_convert(timezone).dt.tz_localize(None)
    return local.dt.normalize().where(~is_never, written)


def _parse_timestamps(text: pa.Array) -> pa.Array:
    """Timestamps in UTC: no offset means UTC, a date means its midnight, fractions are cut to microseconds."""
    text = pc.utf8_upper(pc.utf8_trim_whitespace(text))
    well_formed = pc.if_else(pc.match_substring_regex(text, _TIMESTAMP), text, None)
    # with more than six digits pandas uses nanoseconds, which end in the year 2262
    shortened = pc.replace_substring_regex(well_formed, r"(\.\d{6})\d+", r"\1")
    instants = pd.to_datetime(_series(shortened), format="ISO8601", utc=True, errors="coerce")
    return pa.Array.from_pandas(instants.astype("datetime64[us, UTC]"))


def _parse_booleans(text: pa.Array) -> pa.Array:
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    true, false = (pc.is_in(lowered, value_set=pa.array(words)) for words in (["true", "1"], ["false", "0"]))
    return pc.if_else(true, True, pc.if_else(false, False, None))


def _series(text: pa.Array | pd.Series) -> pd.Series:
    return text if isinstance(text, pd.Series) else pd.Series(text.to_pandas(), dtype="str")


def usable_ids(ids: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Which ids can be part of a key; None if all can, the usual case."""
    is_separated = contains_separator(ids)
    if max_bytes(ids) <= MAX_ID_LENGTH and not pc.any(is_separated).as_py():
        return None
    return pc.and_not(pc.less_equal(pc.utf8_length(ids), MAX_ID_LENGTH), is_separated)


def max_bytes(text: pa.Array | pa.ChunkedArray) -> int:
    """The byte length of the longest text, which is at least its number of characters."""
    return pc.max(pc.binary_length(text)).as_py() or 0


def with_status(records: TypedTable) -> TypedTable:
    """Active where no status was sent, as in bulk files (1.2 CSV binding)."""
    place = records.rows.column_names.index("status")
    status = pc.fill_null(records.rows.column("status"), "active")
    return replace(records, rows=records.rows.set_column(place, "status", status))
