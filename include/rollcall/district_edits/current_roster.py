"""The roster that decisions are made on: the published one or, before the first publication, the newest pull.

Site and username decisions come before the first publication, so a dry run or the pull of `districts add` is enough for
them. No requests go to the SIS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.accounts.roles import is_current
from rollcall.accounts.usernames import as_text
from rollcall.changes.published import district_state, read_live_rows
from rollcall.display.dates import format_instant
from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.mapping import BIRTH_DATES_SCHEMA, ClassMembership, MappingInput
from rollcall.landing.pull import Pull
from rollcall.landing.validated import Validated, accepted_schema
from rollcall.landing.zone import Landing, PullFolder, default_landing
from rollcall.model.tables import TABLES
from rollcall.settings import District, night_of
from rollcall.warehouse.holds import active_hold_rows
from rollcall.warehouse.models import staging
from rollcall.warehouse.session import warehouse_snapshot

_ORG_COLUMNS = ["sourced_id", "name", "type", "identifier"]


@dataclass(frozen=True)
class CurrentRoster:
    """One snapshot of the roster.

    :param orgs: `sourced_id`, `name`, `type`, `identifier`, and `life`, whether the SIS still has the org.
    :param as_of: the time of the newest published pull or, before the first publication, of the newest pull.
    :param night: the night that a remap now would be for.
    :param is_published: whether this is the published roster.
    """

    connection: sa.Connection
    district: District
    people: MappingInput
    orgs: pd.DataFrame
    as_of: datetime
    night: date
    is_published: bool

    @property
    def basis(self) -> str:
        """What the numbers are based on, if it is not the published roster; empty otherwise."""
        if self.is_published:
            return ""
        pulled = format_instant(self.as_of, self.district.schedule.timezone)
        return f"{self.district.name} is not published yet. These numbers are from its pull of {pulled}."

    @cached_property
    def users(self) -> pd.DataFrame:
        return frame(self.people.users)

    @cached_property
    def roles(self) -> pd.DataFrame:
        """The roles that count tonight: not ended, and begun."""
        held = self.people.user_roles
        counts = is_current(held["begin_date"], held["end_date"], self.night, self.district.filters.days_early)
        return frame(held.filter(counts))


@contextmanager
def current_roster(
    engine: sa.Engine, district: District, landing: Landing | None = None, now: datetime | None = None
) -> Iterator[CurrentRoster]:
    """Read the roster of a district.

    :param landing: the landing zone; by default the one of the environment.
    :raises ActionRequired: `nothing_pulled` if the district is not published and no pull of it is kept.
    """
    key = district.district
    night = night_of(now or datetime.now(UTC), district.schedule.timezone)
    with warehouse_snapshot(engine, "deciding", district=key) as connection:
        as_of = district_state(connection, key).current_as_of
        if as_of is not None:
            people, orgs = _published_people(connection, district), _published_orgs(connection, key)
            yield CurrentRoster(connection, district, people, orgs, as_of, night, is_published=True)
            return
        pulled = newest_pull(landing or Landing(default_landing()), district)
        yield CurrentRoster(
            connection, district, pulled.people(), pulled.orgs(), pulled.as_of, night, is_published=False
        )


@dataclass(frozen=True)
class PulledRoster:
    """The accepted records of one pull.

    :param folder: the pull's folder in the landing zone.
    """

    folder: PullFolder
    district: District
    as_of: datetime
    validated: Validated

    def people(self) -> MappingInput:
        """Nobody has an account yet. Roles of people that are not in the pull do not count."""
        made = _mapping_input(self.district, self._rows, accepted_schema(TABLES["accounts"]).empty_table())
        roles = made.user_roles
        return replace(
            made, user_roles=roles.filter(pc.is_in(roles["user_sourced_id"], value_set=made.users["sourced_id"]))
        )

    def orgs(self) -> pd.DataFrame:
        rows = frame(self._rows("orgs", *_ORG_COLUMNS)).assign(life="there")
        return rows.fillna({"name": "", "type": "", "identifier": ""}).sort_values(["name", "sourced_id"])

    def _rows(self, name: str, *columns: str) -> pa.Table:
        """The rows of a table that are not marked as deleted."""
        table = TABLES[name]
        wanted = list(columns) or table.names
        parts = next((each.parts[name] for each in self.validated.collections if name in each.parts), [])
        read = [*wanted, *({"status"} & set(table.names) - set(wanted))]
        rows = read_rows(self.folder, parts, accepted_schema(table), read)
        if "status" in read:
            rows = rows.filter(pc.or_kleene(pc.is_null(rows["status"]), pc.not_equal(rows["status"], "tobedeleted")))
        return rows.select(wanted)


def newest_pull(landing: Landing, district: District) -> PulledRoster:
    """The newest kept pull with whole collections of everything that decisions need.

    :raises ActionRequired: `nothing_pulled`.
    """
    for pull_id in reversed(landing.pulls(district.district)):
        folder = landing.pull(district.district, pull_id)
        try:
            pull, validated = load(folder, Pull), load(folder, Validated)
        except RollcallError:  # not finished
            continue
        whole = {landed.collection for landed in pull.collections if landed.since is None}
        if pull.kind != "remap" and whole >= set(collections_to_decide(district)) - {"demographics"}:
            return PulledRoster(folder, district, pull.as_of, validated)
    raise ActionRequired(
        "nothing_pulled",
        f"{district.name} has not been pulled yet, so its schools and people are not known here.",
        remedy=f"Pull it without publishing: rollcall sync {district.district} --dry-run",
        district=district.district,
    )


def collections_to_decide(district: District) -> list[str]:
    """The collections that site and username decisions need, as far as the district shares them."""
    needed = {"orgs", "users", "demographics"}
    if district.filters.require_class:
        needed |= {"academic_sessions", "classes", "enrollments"}
    return [name for name in district.wanted() if name in needed]


def _published_orgs(connection: sa.Connection, district: str) -> pd.DataFrame:
    """Every org that is or was published."""
    orgs = staging["orgs"]
    held = active_hold_rows(connection, district).filter(
        (pc.field("table_name") == "orgs") & (pc.field("change") == "removed")
    )
    life = sa.case(
        (orgs.c._removed_at.is_not(None), "gone"),
        (orgs.c.sourced_id.in_(held["row_key"].to_pylist()), "held"),
        (orgs.c._missing_since.is_not(None), "missing"),
        else_="there",
    )
    query = sa.select(*(orgs.c[name] for name in _ORG_COLUMNS), life).where(orgs.c.district_id == district)
    rows = [tuple(row) for row in connection.execute(query.order_by(orgs.c.name, orgs.c.sourced_id))]
    return pd.DataFrame(rows, columns=[*_ORG_COLUMNS, "life"]).fillna({"name": "", "type": "", "identifier": ""})


def _published_people(connection: sa.Connection, district: District) -> MappingInput:
    def live(name: str, *columns: str) -> pa.Table:
        return read_live_rows(connection, district.district, TABLES[name], columns or TABLES[name].names)

    return _mapping_input(district, live, live("accounts"))


def _mapping_input(district: District, rows: Callable[..., pa.Table], accounts: pa.Table) -> MappingInput:
    """What mapping works on.

    :param rows: reads a table, or only these columns of it.
    """
    in_classes = None
    if district.filters.require_class:
        in_classes = ClassMembership(
            enrollments=rows("enrollments", "user_sourced_id", "class_sourced_id", "begin_date", "end_date"),
            class_terms=rows("class_terms"),
            academic_sessions=rows("academic_sessions", "sourced_id", "start_date", "end_date"),
        )
    return MappingInput(
        orgs=rows("orgs", "sourced_id", "name", "type"),
        users=rows("users"),
        user_roles=rows("user_roles"),
        accounts=accounts,
        in_classes=in_classes,
        birth_dates=rows("demographics", *BIRTH_DATES_SCHEMA.names),
    )


def frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as pandas, with texts in pandas' own type."""
    return table.to_pandas(types_mapper=as_text)
