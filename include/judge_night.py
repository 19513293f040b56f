"""Between merge, guard and mapping: what of a night is published, and what a person has to decide first.

The stages know nothing of each other; here they meet. The guard judges what would change, merge leaves away what it
withholds, mapping makes accounts of the rest, and the guard judges those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import COMPARED_OF_ACCOUNTS, Hold, Mapped, Part, Pull, ValidatedCollection
from include.guard.evidence import KEY, Evidence
from include.guard.stage import came_back, judge, judge_accounts
from include.mapping.stage import columns_of_users, map_accounts
from include.memory import give_back_what_is_free
from include.merge.merged import Merged, beside
from include.merge.readers import Readers
from include.settings import District, rules_digest
from include.settings.roles import measured_apart
from include.settings.sites import LEAVE_OUT, UNDECIDED
from include.whom_to_map import whom_to_map, with_the_others

#: Withheld content is published nowhere, and a delta would not bring it again.
_COMES_AGAIN = ("updates", "identities", "additions")


@dataclass(frozen=True)
class Settled:
    """What a night comes to.

    :param mapped: the accounts as they will be.
    :param held_rows: what the holds name, in `HELD_ROWS_SCHEMA`.
    :param came_back: rows of living holds whose reason is gone, in `CAME_BACK_SCHEMA`.
    :param full_required: why a hold needs the next pull to be a full one; empty if none does.
    :param expected_accounts: all accounts as they have to be after this, in columns of the table; None where only some
        people were mapped.
    """

    mapped: Mapped
    holds: list[Hold]
    held_rows: pa.Table
    came_back: pa.Table
    full_required: str
    expected_accounts: pa.Table | None = None


def approved_removals(living: pa.Table) -> pa.Table:
    """Removals a person has agreed to: they need no pull that repeats them.

    A first absence is not among them, for the second may not come; nor are old ids, which go when the new ones come.

    :param living: in `LIVING_HOLD_ROWS_SCHEMA`.
    """
    is_removal = pc.and_(pc.equal(living["kind"], "removals"), pc.equal(living["change"], "removed"))
    return living.filter(pc.and_(is_removal, living["is_approved"])).select(["table_name", "row_key", "because"])


def settle(
    district: District,
    merged: Merged,
    pull: Pull,
    collections: list[ValidatedCollection],
    living: pa.Table,
    night: date,
    write: Callable[[str, pa.Table], list[Part]],
) -> Settled:
    """Judge, withhold and map.

    :param merged: tonight laid over the published roster; afterwards it is what may be published.
    :param collections: what was pulled.
    :param living: rows of living holds, in `LIVING_HOLD_ROWS_SCHEMA`.
    :param write: writes a table's changes to the landing zone; all but accounts are written before accounts are made.
    """
    evidence = _evidence(district, merged, pull, collections, living, night)
    records = judge(district, evidence)
    del evidence
    if records.withheld.num_rows:
        merged.withhold(records.withheld)
    merged.count_what_went_along()
    columns = columns_of_users(district)
    merged.put_away(write, columns)
    give_back_what_is_free()
    whom = whom_to_map(district, merged, pull, living, night)
    mapped = map_accounts(district, merged.people(columns, whom), night)
    if whom is not None:
        mapped = with_the_others(merged, mapped, whom)
    give_back_what_is_free()
    merged.extend(mapped, whom)
    expected = mapped.accounts.select(COMPARED_OF_ACCOUNTS) if whom is None else None
    with_accounts = _evidence(district, merged, pull, collections, living, night)
    accounts = judge_accounts(district, with_accounts, mapped)
    back = came_back(with_accounts, mapped.name_changes)
    if accounts.withheld.num_rows:
        before = merged.tables["accounts"].keys()
        mapped = merged.withhold_accounts(mapped, accounts.withheld["row_key"])
        if expected is not None:
            withheld = beside(before, merged.tables["accounts"].keys())
            expected = merged.with_published_accounts(expected, withheld)
    merged.parts["accounts"] = write("accounts", merged.tables["accounts"].rows)
    holds = [*records.holds, *accounts.holds]
    return Settled(
        mapped=mapped,
        holds=holds,
        held_rows=pa.concat_tables([records.rows, accounts.rows]),
        came_back=back,
        full_required=_full_required(holds, living),
        expected_accounts=expected,
    )


def _evidence(
    district: District,
    merged: Merged,
    pull: Pull,
    collections: list[ValidatedCollection],
    living: pa.Table,
    night: date,
) -> Evidence:
    before = merged.state.rules_digest
    return Evidence(
        night=night,
        collections=collections,
        changes={name: made.rows.append_column(KEY, made.keys()) for name, made in merged.tables.items()},
        received={name: made.received for name, made in merged.tables.items()},
        counts={name: made.counts for name, made in merged.tables.items()},
        readers=_readers(district, merged),
        living=living,
        landed=pull.collections,
        rules_changed=before is not None and before != rules_digest(district),
    )


def _readers(district: District, merged: Merged) -> Readers:
    students, others = measured_apart(district.roles)
    decided = {} if district.sites is None else district.sites.map
    sites = {school: site for school, site in decided.items() if site not in (LEAVE_OUT, UNDECIDED)}
    return Readers(merged.connection, merged.district, students, others, sites)


def _full_required(holds: list[Hold], living: pa.Table) -> str:
    kinds = {hold.kind for hold in holds} | set(living["kind"].unique().to_pylist())
    return "what a hold keeps back has to come again" if kinds & set(_COMES_AGAIN) else ""
