"""The fields a username can come from, side by side as the published roster fills them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from include.contracts import accepted_schema
from include.deciding.persons import person_roles
from include.deciding.published import PublishedRoster, frame
from include.mapping.persons import persons
from include.mapping.usernames import field_values
from include.settings.usernames import USERNAME_FIELDS
from include.tables import TABLES
from include.username_text import username_keys
from include.warehouse.bulk import copy_out
from include.warehouse.schemas import HISTORY, STAGING

Role = Literal["student", "staff"]
ROLES: tuple[Role, ...] = get_args(Role)

#: A field that fewer people can use is no username.
_LEAST_SHARE = 0.5

_READ = ("sourced_id", "email", "username", "identifier", "user_ids", "user_profiles", "metadata")

#: Every key of the JSON there is, nested ones with dots, as a username source names them.
_NAMES = f"""
WITH RECURSIVE live AS (
    SELECT user_ids, user_profiles, metadata FROM {STAGING}.users
    WHERE district_id = :district AND _removed_at IS NULL
), keys AS (
    SELECT e.key AS name, e.value FROM live, jsonb_each(live.metadata) e WHERE jsonb_typeof(live.metadata) = 'object'
    UNION
    SELECT keys.name || '.' || e.key, e.value
    FROM keys, jsonb_each(CASE WHEN jsonb_typeof(keys.value) = 'object' THEN keys.value ELSE '{{}}' END) e
)
SELECT DISTINCT 'userIds.' || (e ->> 'type') FROM live,
    jsonb_array_elements(CASE WHEN jsonb_typeof(user_ids) = 'array' THEN user_ids ELSE '[]' END) e
UNION SELECT DISTINCT 'userProfiles.' || (e ->> 'profileType') FROM live,
    jsonb_array_elements(CASE WHEN jsonb_typeof(user_profiles) = 'array' THEN user_profiles ELSE '[]' END) e
UNION SELECT DISTINCT 'metadata.' || name FROM keys WHERE jsonb_typeof(value) IN ('string', 'number')
"""


@dataclass(frozen=True)
class FieldFacts:
    """How one field would do as the username of one role.

    :param people: people of this role; `filled` of them have something in the field.
    :param distinct: different values, without regard to case.
    :param collisions: people who share their value with another person.
    :param changed: people whose value changed with the newest pull that was published; None before the second one.
    :param example: one value, masked.
    """

    field: str
    role: Role
    people: int
    filled: int
    distinct: int
    collisions: int
    changed: int | None
    example: str
    is_best: bool = False

    @property
    def usable(self) -> int:
        """People who have a value that nobody else has."""
        return self.filled - self.collisions

    @property
    def verdict(self) -> str:
        """What speaks against it, in words."""
        against = [
            f"{self.people - self.filled:,} without" if self.filled < self.people else "",
            f"{self.collisions:,} share it" if self.collisions else "",
            f"{self.changed:,} changed" if self.changed else "",
        ]
        said = ", ".join(part for part in against if part)
        return said or "filled by all, no collisions" + ("" if self.changed is None else ", stable")


def compare(roster: PublishedRoster) -> list[FieldFacts]:
    """Every field somebody has something in, per role, the best first."""
    users = roster.users.assign(user=range(roster.people.users.num_rows))
    users["role"] = users["sourced_id"].map(person_roles(roster))
    before = _before(roster)
    names = [*USERNAME_FIELDS, *field_names(roster)]
    facts = []
    for role in ROLES:
        theirs = users[users["role"] == role]
        if len(theirs):
            made = (_facts(theirs, name, role, roster.district.person_key, before) for name in names)
            facts += _best_first([fact for fact in made if fact.filled])
    return facts


def field_names(roster: PublishedRoster) -> list[str]:
    """Names of the user ids, profiles and metadata found, sorted; types are the same without regard to case."""
    found = roster.connection.execute(sa.text(_NAMES), {"district": roster.district.district}).scalars()
    names = sorted(name for name in found if name is not None and not name.endswith("."))
    folded = {(name if name.startswith("metadata.") else name.casefold()): name for name in reversed(names)}
    return sorted(folded.values())


def mask(value: str) -> str:
    """The first letter, and of an e-mail the domain: `a••••@elm.example`; never how long the rest is."""
    name, at, domain = value.partition("@")
    return f"{name[:1]}••••{at}{domain}"


def _facts(users: pd.DataFrame, field: str, role: Role, person_key: str, before: pd.DataFrame | None) -> FieldFacts:
    values = field_values(users, field).str.strip()
    values = values.where(values.str.len() > 0)
    folded = username_keys(values)
    sharing = persons(users, person_key)[0].groupby(folded).nunique()
    shared = folded.map(sharing).fillna(0) > 1
    changed = None
    if before is not None:
        old = before[before["sourced_id"].isin(users["sourced_id"])]
        was = field_values(old, field).set_axis(old["sourced_id"])
        now = field_values(users, field).set_axis(users["sourced_id"]).reindex(was.index)
        changed = int((was.fillna("") != now.fillna("")).sum())
    return FieldFacts(
        field=field,
        role=role,
        people=len(users),
        filled=int(values.notna().sum()),
        distinct=int(folded.nunique()),
        collisions=int(shared.sum()),
        changed=changed,
        example=mask(str(values.dropna().min())) if values.notna().any() else "",
    )


def _best_first(facts: list[FieldFacts]) -> list[FieldFacts]:
    """Most people who can use it, then fewest changes, then the order of the fields.

    A sourcedId, which nobody can remember, only where nothing else will do.
    """

    def tier(fact: FieldFacts) -> int:
        if fact.field == "sourcedId":
            return 1
        return 0 if fact.usable >= _LEAST_SHARE * fact.people else 2

    ranked = sorted(facts, key=lambda fact: (tier(fact), -fact.usable, fact.changed or 0))
    return [replace(ranked[0], is_best=True), *ranked[1:]] if ranked else []


def _before(roster: PublishedRoster) -> pd.DataFrame | None:
    """The users that the newest pull changed as they were before it; None where nothing was published before it."""
    params = {"district": roster.district.district, "as_of": roster.as_of}
    earlier = sa.text(
        f"SELECT EXISTS (SELECT FROM {HISTORY}.users WHERE district_id = :district AND _valid_from < :as_of)"
    )
    if not roster.connection.execute(earlier, params).scalar_one():
        return None
    schema = accepted_schema(TABLES["users"])
    schema = pa.schema([schema.field(name) for name in _READ])
    listed = ", ".join(schema.names)
    query = f"SELECT {listed} FROM {HISTORY}.users WHERE district_id = %(district)s AND _valid_to = %(as_of)s"
    return frame(copy_out(roster.connection, query, params, schema))
