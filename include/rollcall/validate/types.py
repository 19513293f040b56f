"""From landed text to the types of the tables, for whole columns at once.

What cannot be read becomes null and is remembered, so that a rule can tell whether it refuses the record. pandas and
Arrow do the reading; both quote values when they raise, so nothing here lets them (masks first, then a cast that
cannot fail).
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

#: A date: written alone, as a midnight whatever its offset, or as a wall clock's time without an offset. Its day is the
#: one that is written: a district west of UTC that sends `2026-08-17T00:00:00Z` means August 17.
_DAY = (
    r"^\d{4}-\d{2}-\d{2}(?:[T ](?:\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?|00:00(?::00(?:\.0+)?)?"
    r" ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)))?$"
)

#: An instant that is no midnight as it is written: a date turned into UTC, such as a local midnight. Its day is that of
#: the district's time zone. Near the years 0001 and 9999, which stand for "never", the written day counts.
_INSTANT_FOR_DAY = (
    r"^(?P<day>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?"
    r" ?(?P<offset>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
)

#: ISO 8601 as OneRoster profiles it, and as it is met: without fraction or with any, with an offset, or naive. The year
#: 0001 stands for "never" where it is met, and near 9999 an offset leads out of what Python and PostgreSQL share.
_INSTANT = r"^[12]\d{3}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"

#: OneRoster limits a GUID to 255 characters; PostgreSQL refuses index entries above some 2,700 bytes, and with one of
#: them the whole night.
MAX_ID_LENGTH = 255

#: What usernames are made from and people are known by; elsewhere `None` may be a name.
_SAY_NONE = ("email", "username", "identifier")


@dataclass(frozen=True)
class Typed:
    """A table's rows in the table's types.

    :param rows: as :func:`rollcall.landing.validated.accepted_schema`, without the columns that validate makes itself.
    :param said: per column that is no text, where anything was sent.
    """

    rows: pa.Table
    said: dict[str, pa.Array]

    def readable(self, column: str) -> pa.Array:
        """True where the text could be read or there was none."""
        return pc.or_(pc.invert(self.said[column]), pc.is_valid(self.rows.column(column)))

    def take(self, rows: np.ndarray) -> Typed:
        """These rows, each once, in the order they have; all of them are not copied."""
        if len(rows) == self.rows.num_rows:
            return self
        return Typed(self.rows.take(rows), {name: said.take(pa.array(rows)) for name, said in self.said.items()})


def typed(landed: pa.Table, table: Table, timezone: str = "UTC") -> Typed:
    """Give a landed table, or some columns of it, the types of the table; never raises for a value.

    :param timezone: the district's, in which a date that was sent as an instant is read.
    """
    made_later = ADDED_BY_VALIDATE.get(table.name, ())
    there = [name for name in landed.column_names if name not in made_later]
    schema = pa.schema([field for field in accepted_schema(table) if field.name in there])
    arrays: list[pa.Array] = []
    said: dict[str, pa.Array] = {}
    kinds = {column.name: column.kind for column in table.columns}
    for field in schema:
        column = landed.column(field.name)
        text = _said(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())
        kind = kinds[field.name]
        if table.name == "users" and field.name in _SAY_NONE:
            text = pc.if_else(says_no_value(text, address=field.name == "email"), None, text)
        if kind in ("date", "timestamp", "boolean"):
            said[field.name] = pc.is_valid(text)
        match kind:
            case "date":
                text = _each_once(text, partial(_dates, timezone=timezone))
            case "timestamp":
                text = _instants(text)
            case "boolean":
                text = _each_once(text, _booleans)
            case "text" if field.name.endswith("sourced_id") and (table.parent or field.name == "sourced_id"):
                text = text if (usable := usable_ids(text)) is None else pc.if_else(usable, text, None)
        arrays.append(text.cast(field.type))
    return Typed(pa.Table.from_arrays(arrays, schema=schema), said)


def _said(text: pa.Array) -> pa.Array:
    """Nothing for nothing but blanks. Where there are none, which is nearly always, the column is not copied."""
    is_blank = pc.or_(pc.equal(pc.binary_length(text), 0), pc.utf8_is_space(text))
    return pc.if_else(is_blank, None, text) if pc.any(is_blank).as_py() else text


def _each_once(text: pa.Array, read: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Read each different text once, where there are few; instants are nearly as many as rows."""
    different = text.dictionary_encode()
    return read(different.dictionary).take(different.indices)


def _dates(text: pa.Array, timezone: str) -> pa.Array:
    """`2026-08-21`, or the day of an instant; see `_DAY` and `_INSTANT_FOR_DAY` for which day that is."""
    text = pc.utf8_upper(pc.utf8_trim_whitespace(text))
    written = pc.if_else(pc.match_substring_regex(text, _DAY), pc.utf8_slice_codeunits(text, 0, 10), None)
    days = _days(written)
    instants = _series(text).where(pd.Series(pc.is_null(written).to_numpy(zero_copy_only=False)))
    if (found := instants.str.extract(_INSTANT_FOR_DAY)).notna().any(axis=None):
        days = days.fillna(_local_days(found, timezone))
    return pa.Array.from_pandas(days).cast(pa.date32())


def _days(text: pa.Array | pd.Series) -> pd.Series:
    days = pd.to_datetime(_series(text), format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    return days.where(days.dt.year >= 1)  # there is no year 0000, neither in PostgreSQL nor in Python


def _local_days(found: pd.DataFrame, timezone: str) -> pd.Series:
    """The days of instants in a time zone.

    :param found: `day`, `time` and `offset` as they are written.
    """
    offset = found["offset"].replace({"UTC": "Z", "GMT": "Z"})
    instants = pd.to_datetime(
        found["day"] + "T" + found["time"] + offset, format="ISO8601", utc=True, errors="coerce"
    ).astype("datetime64[s, UTC]")
    written = _days(found["day"])
    is_never = written.dt.year.isin([1, 9999]) & instants.notna()
    # a time zone leads out of the years that Python knows
    local = instants.where(written.notna() & ~is_never).dt.tz_convert(timezone).dt.tz_localize(None)
    return local.dt.normalize().where(~is_never, written)


def _instants(text: pa.Array) -> pa.Array:
    """Instants in UTC; a naive one is taken for UTC, a date for its midnight, a fraction is cut to microseconds."""
    text = pc.utf8_upper(pc.utf8_trim_whitespace(text))
    well_formed = pc.if_else(pc.match_substring_regex(text, _INSTANT), text, None)
    # with more than six digits pandas counts in nanoseconds, which end in the year 2262
    shortened = pc.replace_substring_regex(well_formed, r"(\.\d{6})\d+", r"\1")
    instants = pd.to_datetime(_series(shortened), format="ISO8601", utc=True, errors="coerce")
    return pa.Array.from_pandas(instants.astype("datetime64[us, UTC]"))


def _booleans(text: pa.Array) -> pa.Array:
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    true, false = (pc.is_in(lowered, value_set=pa.array(words)) for words in (["true", "1"], ["false", "0"]))
    return pc.if_else(true, True, pc.if_else(false, False, None))


def _series(text: pa.Array | pd.Series) -> pd.Series:
    return text if isinstance(text, pd.Series) else pd.Series(text.to_pandas(), dtype="str")


def usable_ids(ids: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Which of these can be part of a key; None for all, which is nearly always."""
    is_separated = contains_separator(ids)
    if longest(ids) <= MAX_ID_LENGTH and not pc.any(is_separated).as_py():
        return None
    return pc.and_not(pc.less_equal(pc.utf8_length(ids), MAX_ID_LENGTH), is_separated)


def longest(text: pa.Array | pa.ChunkedArray) -> int:
    """The bytes of the longest, which are at least its characters."""
    return pc.max(pc.binary_length(text)).as_py() or 0


def with_status(records: Typed) -> Typed:
    """Active where no status is said: made in bulk on the provider's side and never touched since (1.2 CSV binding)."""
    place = records.rows.column_names.index("status")
    status = pc.fill_null(records.rows.column("status"), "active")
    return replace(records, rows=records.rows.set_column(place, "status", status))
