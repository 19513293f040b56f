"""Compares the fields that usernames can come from, and previews and writes the choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import msgspec
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from rollcall.accounts.person_matching import match_persons
from rollcall.accounts.usernames import derive_usernames, field_values
from rollcall.district_edits.current_roster import CurrentRoster, frame
from rollcall.district_edits.file import DistrictFile, Edit, with_setting
from rollcall.district_edits.impact import Impact, compute_impact
from rollcall.district_edits.persons import Person, described, person_roles
from rollcall.landing.validated import accepted_schema
from rollcall.model.tables import TABLES
from rollcall.model.username_fields import USERNAME_FIELDS
from rollcall.model.username_text import username_keys
from rollcall.settings import District, Usernames, UsernameSource, yaml_text
from rollcall.warehouse.bulk import copy_out
from rollcall.warehouse.schemas import HISTORY

Role = Literal["student", "staff"]
ROLES: tuple[Role, ...] = get_args(Role)

#: A field that fewer people can use is not a username.
_LEAST_SHARE = 0.5

_READ = tuple(dict.fromkeys(["sourced_id", *(field.column for field in USERNAME_FIELDS.values())]))


@dataclass(frozen=True)
class FieldFacts:
    """How one field would work as the username of one role.

    :param people: people with this role; `filled` of them have a value.
    :param distinct: different values, ignoring case.
    :param collisions: people who share their value with another person.
    :param changed: people whose value changed with the newest published pull; None before the second one.
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
        """People with a value of their own."""
        return self.filled - self.collisions

    @property
    def verdict(self) -> str:
        """The disadvantages in words."""
        against = [
            f"{self.people - self.filled:,} without" if self.filled < self.people else "",
            f"{self.collisions:,} share it" if self.collisions else "",
            f"{self.changed:,} changed" if self.changed else "",
        ]
        problems = ", ".join(part for part in against if part)
        return problems or "all have a value, no collisions" + ("" if self.changed is None else ", stable")


def compare(roster: CurrentRoster) -> list[FieldFacts]:
    """All fields with values, per role, best first."""
    users = roster.users.assign(user=range(roster.people.users.num_rows))
    users["role"] = users["sourced_id"].map(person_roles(roster))
    before = _before(roster)
    names = [*(field.name for field in USERNAME_FIELDS.values() if not field.key), *field_names(roster.users)]
    facts = []
    for role in ROLES:
        theirs = users[users["role"] == role]
        if len(theirs):
            persons = match_persons(theirs, roster.district.person_key)[0]
            made = (_facts(theirs, persons, name, role, before) for name in names)
            facts += _best_first([fact for fact in made if fact.filled])
    return facts


def field_names(users: pd.DataFrame) -> list[str]:
    """The names of fields with a key, such as `userIds.LDAP`, that have values, sorted.

    Types are equal ignoring case; keys of an object are not.
    """
    names: set[str] = set()
    for field in USERNAME_FIELDS.values():
        if field.key and field.entry_key:
            types = {f"{field.name}.{kind}" for kind in _types(users[field.column], field.entry_key)}
            names |= set({name.casefold(): name for name in sorted(types, reverse=True)}.values())
        elif field.key:
            objects = (value for value in _decoded(users[field.column]) if isinstance(value, dict))
            names |= {f"{field.name}.{key}" for found in objects for key in _scalar_keys(found)}
    return sorted(name for name in names if not name.endswith("."))


def _types(column: pd.Series, key: str) -> set[str]:
    """The values of a key in lists of objects."""
    return {
        entry[key]
        for entries in _decoded(column)
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get(key), str)
    }


def _decoded(column: pd.Series) -> Iterator[Any]:
    """The different JSON values of a column."""
    return map(msgspec.json.decode, column.dropna().unique())


def _scalar_keys(metadata: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The keys of texts and numbers. The key of a nested object is joined with dots."""
    for key, value in metadata.items():
        if isinstance(value, dict):
            yield from _scalar_keys(value, f"{prefix}{key}.")
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            yield f"{prefix}{key}"


def mask(value: str) -> str:
    """The first letter, and the domain of an email address: `a••••@elm.example`. The length is hidden."""
    name, at, domain = value.partition("@")
    return f"{name[:1]}••••{at}{domain}"


def _facts(users: pd.DataFrame, persons: pd.Series, field: str, role: Role, before: pd.DataFrame | None) -> FieldFacts:
    values = field_values(users, field).str.strip()
    values = values.where(values.str.len() > 0)
    folded = username_keys(values)
    sharing = persons.groupby(folded).nunique()
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
    """Sorted by the most people who can use it, then the fewest changes, then the order of the fields.

    A sourcedId cannot be remembered, so it is best only if no other field works.
    """

    def tier(fact: FieldFacts) -> int:
        if fact.field == "sourcedId":
            return 1
        return 0 if fact.usable >= _LEAST_SHARE * fact.people else 2

    ranked = sorted(facts, key=lambda fact: (tier(fact), -fact.usable, fact.changed or 0))
    return [replace(ranked[0], is_best=True), *ranked[1:]] if ranked else []


def _before(roster: CurrentRoster) -> pd.DataFrame | None:
    """The users that the newest pull changed, as before it. None if nothing was published before it."""
    if not roster.is_published:
        return None
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


#: The transforms of the short form `usernames: email`.
USUAL_TRANSFORM = ("trim", "lower")

_REASONS = ("no_username", "username_pattern", "username_collision")


@dataclass(frozen=True)
class Collision:
    """Two people with one username: the one without it, the other one, and whether `neither` gets it."""

    username: str
    without: Person
    other: Person
    neither: bool


@dataclass(frozen=True)
class Renamed:
    """A person whose published username would change."""

    person: Person
    old: str
    new: str


@dataclass(frozen=True)
class RoleCoverage:
    """People of a role at a site: with a username, and without, by reason."""

    role: Role
    with_username: int
    no_username: int
    username_pattern: int
    username_collision: int


@dataclass(frozen=True)
class UsernamePreview:
    """The impact of a choice on the current roster.

    :param published: people with an account before and after. The usernames of `renamed` would change.
    :param as_if_own_sites: no school is mapped yet, so the preview treats every school as its own site.
    """

    coverage: list[RoleCoverage]
    collisions: list[Collision]
    published: int
    renamed: list[Renamed]
    moves: Impact
    as_if_own_sites: bool

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "coverage": [asdict(part) for part in self.coverage],
            "collisions": [asdict(collision) for collision in self.collisions],
            "as_if_own_sites": self.as_if_own_sites,
            "published": self.published,
            "renamed": [asdict(renamed) for renamed in self.renamed],
            "moves": self.moves.plain(),
        }


def username_source(field: str, transforms: Sequence[str], pattern: str | None) -> UsernameSource:
    """A source from what a person typed.

    :param transforms: steps as in the district's file; none means the usual ones, and `none` alone means no step.
    :raises ValueError: a step, the field, or the pattern is not valid. Also TypeError.
    """
    steps: list[Any] = [] if list(transforms) == ["none"] else [yaml_text.load(step) for step in transforms]
    return UsernameSource(field=field, transform=steps if transforms else list(USUAL_TRANSFORM), pattern=pattern)


def chosen(district: District, source: UsernameSource, roles: Sequence[Role]) -> District:
    """The district with this source for these roles. Other roles keep their sources."""
    sources = {role: [source] if role in roles else district.username_sources(role) for role in ROLES}
    return msgspec.structs.replace(district, usernames=Usernames(**sources))


def preview(roster: CurrentRoster, choice: District, roles: Sequence[Role]) -> UsernamePreview:
    """Map the roster with the choice.

    :param roles: the roles that the choice is for.
    """
    made = compute_impact(roster, roster.district, choice)
    nobody = choice.sites is not None and not made.after.coverage["with_site"]
    if nobody:
        open_to_all = [msgspec.structs.replace(one, sites=None) for one in (roster.district, choice)]
        made = compute_impact(roster, *open_to_all)
    role_of = person_roles(roster)
    left_out = frame(made.after.left_out)
    left_out = left_out[left_out["reason"].isin(_REASONS)]
    left_out = left_out.assign(role=left_out["user_sourced_id"].map(role_of))
    before = _names(roster.people.accounts)
    after = _names(made.after.accounts)
    both = before.add_suffix("_before").join(after.add_suffix("_after"), how="inner")
    both = both[both.index.to_series().map(role_of).isin(list(roles))]
    renamed = both[both["username_before"] != both["username_after"]]
    collided = left_out[(left_out["reason"] == "username_collision") & left_out["role"].isin(list(roles))]
    people = described(roster, {*collided["user_sourced_id"], *collided["detail"], *renamed.index})
    pairs = dict(zip(collided["user_sourced_id"], collided["detail"], strict=True))
    wanted = _wanted(roster, choice, role_of, list(collided["user_sourced_id"]))
    return UsernamePreview(
        coverage=[_coverage(role, after, left_out, role_of) for role in roles],
        collisions=[
            Collision(wanted[user], people[user], people[other], neither=pairs.get(other) == user)
            for user, other in pairs.items()
            if pairs.get(other) != user or user < other
        ],
        published=len(both),
        renamed=[
            Renamed(people[key], old, new)
            for key, old, new in zip(renamed.index, renamed["username_before"], renamed["username_after"], strict=True)
        ],
        moves=made,
        as_if_own_sites=nobody,
    )


def decide(file: DistrictFile, source: UsernameSource, roles: Sequence[Role]) -> Edit:
    """The file with this source for these roles, in the short form if possible."""
    said = yaml_text.load(file.text)
    stands = said.get("usernames") if isinstance(said, dict) else None
    is_usual = tuple(source.transform) == USUAL_TRANSFORM and source.pattern is None

    def change(text: str) -> str:
        if isinstance(stands, dict):
            for role in roles:
                text = with_setting(text, ("usernames", role), [_plain(source)])
            return text
        if is_usual and set(roles) == set(ROLES):
            return with_setting(text, ("usernames",), source.field)
        choice = chosen(file.district, source, roles)
        value = {role: [_plain(one) for one in choice.username_sources(role)] for role in ROLES}
        return with_setting(text, ("usernames",), value)

    return file.edited(change)


def _plain(source: UsernameSource) -> dict[str, Any]:
    """A source as in the file, without empty settings."""
    said: dict[str, Any] = {"field": source.field}
    if source.transform:
        said["transform"] = list(source.transform)
    if source.pattern is not None:
        said["pattern"] = source.pattern
    return said


def _names(accounts: pa.Table) -> pd.DataFrame:
    """One username per person."""
    names = frame(accounts.select(["user_sourced_id", "username"])).drop_duplicates("user_sourced_id")
    return names.set_index("user_sourced_id")


def _coverage(role: Role, after: pd.DataFrame, left_out: pd.DataFrame, role_of: pd.Series) -> RoleCoverage:
    reasons = left_out.loc[left_out["role"] == role, "reason"].value_counts()
    return RoleCoverage(
        role=role,
        with_username=int((after.index.to_series().map(role_of) == role).sum()),
        **{reason: int(reasons.get(reason, 0)) for reason in _REASONS},
    )


def _wanted(roster: CurrentRoster, choice: District, role_of: pd.Series, keys: list[str]) -> dict[str, str]:
    """The usernames that these people would have without the collision."""
    users = roster.users[roster.users["sourced_id"].isin(keys)]
    made: dict[str, str] = {}
    for role in ROLES:
        theirs = users[users["sourced_id"].map(role_of) == role]
        names = derive_usernames(theirs, choice.username_sources(role))["username"]
        made |= dict(zip(theirs["sourced_id"], names.fillna(""), strict=True))
    return made
