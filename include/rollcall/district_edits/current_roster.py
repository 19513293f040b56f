"""The published roster of a district, as decisions about it look at it; no provider is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from rollcall.accounts.roles import is_current
from rollcall.changes.published import district_state, read_live_rows
from rollcall.errors import ActionRequired
from rollcall.landing.mapping import BIRTH_DATES_SCHEMA, ClassMembership, MappingInput
from rollcall.model.tables import TABLES
from rollcall.settings import District, night_of
from rollcall.warehouse.holds import active_hold_rows
from rollcall.warehouse.models import staging
from rollcall.warehouse.session import warehouse_snapshot


@dataclass(frozen=True)
class CurrentRoster:
    """One unmoving view of what readers have.

    :param night: the night a remap now would be for.
    :param as_of: of the newest published pull.
    """

    connection: sa.Connection
    district: District
    people: MappingInput
    as_of: datetime
    night: date

    def orgs(self) -> pd.DataFrame:
        """Every org there is or was: `sourced_id`, `name`, `type`, `identifier`, and how it is in the SIS, `life`."""
        orgs = staging["orgs"]
        columns = (orgs.c.sourced_id, orgs.c.name, orgs.c.type, orgs.c.identifier)
        held = active_hold_rows(self.connection, self.district.district).filter(
            (pc.field("table_name") == "orgs") & (pc.field("change") == "removed")
        )
        life = sa.case(
            (orgs.c._removed_at.is_not(None), "gone"),
            (orgs.c.sourced_id.in_(held["row_key"].to_pylist()), "held"),
            (orgs.c._missing_since.is_not(None), "missing"),
            else_="there",
        )
        query = sa.select(*columns, life).where(orgs.c.district_id == self.district.district)
        rows = [tuple(row) for row in self.connection.execute(query.order_by(orgs.c.name, orgs.c.sourced_id))]
        names = ["sourced_id", "name", "type", "identifier", "life"]
        return pd.DataFrame(rows, columns=names).fillna({"name": "", "type": "", "identifier": ""})

    @cached_property
    def users(self) -> pd.DataFrame:
        return frame(self.people.users)

    @cached_property
    def roles(self) -> pd.DataFrame:
        """Roles that count tonight: the table's columns without those that have ended or have not begun."""
        held = self.people.user_roles
        counts = is_current(held["begin_date"], held["end_date"], self.night, self.district.filters.days_early)
        return frame(held.filter(counts))


@contextmanager
def current_roster(engine: sa.Engine, district: District) -> Iterator[CurrentRoster]:
    """Read what is published of a district.

    :raises ActionRequired: `nothing_published` before the first publication.
    """
    key = district.district
    with warehouse_snapshot(engine, "deciding", district=key) as connection:
        state = district_state(connection, key)
        if state.current_as_of is None:
            raise ActionRequired(
                "nothing_published",
                f"Nothing of {district.name} is published yet, so there is nothing to decide on.",
                remedy=f"Publish it once: rollcall sync {key}",
                district=key,
            )
        people = _people(connection, district)
        night = night_of(datetime.now(UTC), district.schedule.timezone)
        yield CurrentRoster(connection, district, people, state.current_as_of, night)


def _people(connection: sa.Connection, district: District) -> MappingInput:
    def live(name: str, *columns: str) -> pa.Table:
        return read_live_rows(connection, district.district, TABLES[name], columns or TABLES[name].names)

    in_classes = None
    if district.filters.require_class:
        in_classes = ClassMembership(
            enrollments=live("enrollments", "user_sourced_id", "class_sourced_id", "begin_date", "end_date"),
            class_terms=live("class_terms"),
            academic_sessions=live("academic_sessions", "sourced_id", "start_date", "end_date"),
        )
    return MappingInput(
        orgs=live("orgs", "sourced_id", "name", "type"),
        users=live("users"),
        user_roles=live("user_roles"),
        accounts=live("accounts"),
        in_classes=in_classes,
        birth_dates=live("demographics", *BIRTH_DATES_SCHEMA.names),
    )


def frame(table: pa.Table) -> pd.DataFrame:
    """Arrow as pandas, with texts as pandas' own kind of text."""
    return table.to_pandas(types_mapper=lambda kind: pd.StringDtype(na_value=float("nan")) if _text(kind) else None)


def _text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind))
