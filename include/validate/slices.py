"""A landed collection in slices, so that memory does not grow with it: records with all their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import LandedCollection, Part, landed_schema, read_rows
from include.landing import PullFolder
from include.tables import tables_of
from include.validate.collection import NEWEST_BY, newest_of

#: Values judged at once: so many that Great Expectations' own work per suite, a twentieth of a second, is no matter.
AT_ONCE = 1_500_000


@dataclass(frozen=True)
class Slice:
    """Some records of a collection.

    :param landed: per table of the collection, as text; of parts those of these records.
    :param is_newest: per record, among those of the whole collection.
    """

    landed: dict[str, pa.Table]
    is_newest: pa.Array


def slices(folder: PullFolder, landed: LandedCollection) -> Iterator[Slice]:
    """At least one, if an empty one."""
    main, *of_records = tables_of(landed.collection)
    parts = {
        table.name: read_rows(folder, landed.parts.get(table.name, []), landed_schema(table)) for table in of_records
    }
    groups = _groups(landed.parts.get(main.name, []), AT_ONCE // len(main.names))
    named = read_rows(folder, [part for group in groups for part in group], landed_schema(main), NEWEST_BY)
    newest, start = newest_of(named, main), 0
    del named
    for group in groups:
        records = read_rows(folder, group, landed_schema(main))
        theirs = parts
        if len(groups) > 1:
            ids = records["sourced_id"]
            theirs = {name: rows.filter(pc.is_in(rows.column(0), value_set=ids)) for name, rows in parts.items()}
        yield Slice({main.name: records, **theirs}, newest.slice(start, records.num_rows))
        start += records.num_rows


def _groups(parts: list[Part], records: int) -> list[list[Part]]:
    """Files that are read together, of so many records at most; a file is the least there is."""
    groups: list[list[Part]] = [[]]
    for part in parts:
        if groups[-1] and sum(one.rows for one in groups[-1]) + part.rows > records:
            groups.append([])
        groups[-1].append(part)
    return groups
