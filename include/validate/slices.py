"""A landed collection in slices, so that memory does not grow with it: records with all their parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import LandedCollection, Part, landed_schema, read_rows
from include.landing import PullFolder
from include.tables import tables_of
from include.validate.copies import NEWEST_BY, find_copies

#: Values judged at once: so many that Great Expectations' own work per suite, a twentieth of a second, is no matter.
AT_ONCE = 1_500_000


@dataclass(frozen=True)
class Slice:
    """Some records of a collection.

    :param landed: per table of the collection, as text; of parts those of these records.
    :param of_copies: per record, what :class:`include.validate.copies.Copies` says of it.
    :param united: records that are not among them, because others have all they say.
    """

    landed: dict[str, pa.Table]
    of_copies: dict[str, pa.Array]
    united: int


def slices(folder: PullFolder, landed: LandedCollection) -> Iterator[Slice]:
    """At least one, if an empty one."""
    main, *of_records = tables_of(landed.collection)
    parts = {
        table.name: read_rows(folder, landed.parts.get(table.name, []), landed_schema(table)) for table in of_records
    }
    groups = _groups(landed.parts.get(main.name, []), AT_ONCE // len(main.names))
    named = read_rows(folder, [part for group in groups for part in group], landed_schema(main), NEWEST_BY)

    def with_ids(ids: pa.Array) -> pa.Table:
        read = (read_rows(folder, group, landed_schema(main)) for group in groups)
        return pa.concat_tables([rows.filter(pc.is_in(rows["sourced_id"], value_set=ids)) for rows in read])

    copies, start = find_copies(named, main, with_ids), 0
    del named
    for group in groups:
        came = read_rows(folder, group, landed_schema(main))
        records = copies.applied(came, start)
        theirs = parts
        if len(groups) > 1:
            ids = records["sourced_id"]
            theirs = {name: rows.filter(pc.is_in(rows.column(0), value_set=ids)) for name, rows in parts.items()}
        stop = start + came.num_rows
        yield Slice({main.name: records, **theirs}, copies.facts(start, stop), came.num_rows - records.num_rows)
        start = stop


def _groups(parts: list[Part], records: int) -> list[list[Part]]:
    """Files that are read together, of so many records at most; a file is the least there is."""
    groups: list[list[Part]] = [[]]
    for part in parts:
        if groups[-1] and sum(one.rows for one in groups[-1]) + part.rows > records:
            groups.append([])
        groups[-1].append(part)
    return groups
