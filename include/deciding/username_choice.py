"""A choice of the field usernames come from: what it would do, and writing it into the district's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from include import yaml_lines
from include.deciding.fields import ROLES, Role
from include.deciding.file import DistrictFile, Edit
from include.deciding.moves import Moves, moves
from include.deciding.persons import Person, described, person_roles
from include.deciding.published import PublishedRoster, frame
from include.deciding.yaml_text import with_setting
from include.mapping.usernames import usernames
from include.settings import District, Usernames, UsernameSource

#: What the short form `usernames: email` does to a field.
USUAL_TRANSFORM = ("trim", "lower")

_REASONS = ("no_username", "username_pattern", "username_collision")


@dataclass(frozen=True)
class Collision:
    """Two people who would have one username: who would go without, because of whom, and whether `neither` gets it."""

    username: str
    without: Person
    other: Person
    neither: bool


@dataclass(frozen=True)
class Renamed:
    """A person whose username would be another than readers have."""

    person: Person
    old: str
    new: str


@dataclass(frozen=True)
class RoleCoverage:
    """How many people of a role at a site would have a username, and why the others would not."""

    role: Role
    with_username: int
    no_username: int
    username_pattern: int
    username_collision: int


@dataclass(frozen=True)
class UsernamePreview:
    """What a choice would do to the published roster.

    :param published: people who have an account now and would have one then; the usernames of `renamed` would change.
    :param as_if_own_sites: nobody is at a site yet, so all this is as if every school were its own.
    """

    coverage: list[RoleCoverage]
    collisions: list[Collision]
    published: int
    renamed: list[Renamed]
    moves: Moves
    as_if_own_sites: bool


def chosen(district: District, source: UsernameSource, roles: Sequence[Role]) -> District:
    """The district with this one source for these roles; the others keep theirs."""
    sources = {role: [source] if role in roles else district.username_sources(role) for role in ROLES}
    return msgspec.structs.replace(district, usernames=Usernames(**sources))


def preview(roster: PublishedRoster, choice: District, roles: Sequence[Role]) -> UsernamePreview:
    """Map the published roster by the choice.

    :param roles: those the choice is about.
    """
    made = moves(roster, roster.district, choice)
    nobody = choice.sites is not None and not made.after.coverage["with_site"]
    if nobody:
        open_to_all = [msgspec.structs.replace(one, sites=None) for one in (roster.district, choice)]
        made = moves(roster, *open_to_all)
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
    """The file with this one source for these roles, in the short form where that says it all."""
    said = yaml_lines.load(file.text)
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
    """A source as the file has it, without what it does not say."""
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


def _wanted(roster: PublishedRoster, choice: District, role_of: pd.Series, keys: list[str]) -> dict[str, str]:
    """The usernames these people would have had, had nobody else wanted them."""
    users = roster.users[roster.users["sourced_id"].isin(keys)]
    made: dict[str, str] = {}
    for role in ROLES:
        theirs = users[users["sourced_id"].map(role_of) == role]
        names = usernames(theirs, choice.username_sources(role))["username"]
        made |= dict(zip(theirs["sourced_id"], names.fillna(""), strict=True))
    return made
