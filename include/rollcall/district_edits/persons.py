"""Single people: found by sourcedId, username, or email, and described in a school secretary's words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pandas as pd

from rollcall.district_edits.current_roster import CurrentRoster, frame
from rollcall.district_edits.file import DistrictFile, Edit, with_setting, without_setting
from rollcall.errors import ActionRequired
from rollcall.model.username_text import is_refused, username_key, username_keys, visible
from rollcall.settings import PersonDecision


@dataclass(frozen=True)
class Person:
    """One record of the roster.

    :param role: student or staff; empty for all other roles.
    """

    sourced_id: str
    name: str
    role: str
    schools: str
    grades: str
    email: str

    @property
    def description(self) -> str:
        """`Ada Okonkwo, student, North School, grade 05`."""
        grade = f"grade {self.grades}" if self.grades else ""
        return ", ".join(part for part in (self.name, self.role, self.schools, grade) if part)


def described(roster: CurrentRoster, keys: Iterable[str]) -> dict[str, Person]:
    """People by sourcedId, without those who are not in the roster."""
    wanted = set(keys)
    users = roster.users
    users = users[users["sourced_id"].isin(wanted)]
    roles = roster.roles
    roles = roles[roles["user_sourced_id"].isin(wanted)]
    names = frame(roster.people.orgs).set_index("sourced_id")["name"]
    schools = (
        roles.assign(school=roles["org_sourced_id"].map(names))
        .dropna(subset=["school"])
        .groupby("user_sourced_id")["school"]
        .agg(lambda found: " and ".join(sorted(set(found))))
    )
    becomes = person_roles(roster)
    return {
        str(row.sourced_id): Person(
            sourced_id=str(row.sourced_id),
            name=" ".join(part for part in (row.given_name, row.family_name) if isinstance(part, str)),
            role=str(becomes.get(row.sourced_id, "")),
            schools=str(schools.get(row.sourced_id, "")),
            grades=_grades(row.grades),
            email=row.email if isinstance(row.email, str) else "",
        )
        for row in users.itertuples(index=False)
    }


def person_roles(roster: CurrentRoster) -> pd.Series:
    """Student or staff by sourcedId, for people with such a role: the primary role, else staff before student."""
    roles = roster.roles
    targets = {role: roster.district.role_target(role) for role in roles["role"].dropna().unique()}
    rows = pd.DataFrame(
        {
            "user": roles["user_sourced_id"],
            "role": roles["role"].map(targets),
            "is_secondary": roles["role_type"] != "primary",
        }
    )
    rows = rows[rows["role"].isin(["student", "staff"])].sort_values(["user", "is_secondary", "role"], kind="stable")
    return rows.drop_duplicates("user").set_index("user")["role"]


def matching(roster: CurrentRoster, who: str) -> list[Person]:
    """All matching people: by sourcedId, else by username or email, ignoring case."""
    users = roster.users
    accounts = frame(roster.people.accounts.select(["user_sourced_id", "username_key"]))
    wanted = username_key(who)
    exact = users.loc[users["sourced_id"] == who.strip(), "sourced_id"]
    by_text = [users.loc[username_keys(users[name]) == wanted, "sourced_id"] for name in ("username", "email")]
    by_account = accounts.loc[accounts["username_key"] == wanted, "user_sourced_id"]
    keys = list(exact) or sorted({*by_text[0], *by_text[1], *by_account})
    people = described(roster, keys)
    return [people[key] for key in keys if key in people]


@dataclass(frozen=True)
class Decided:
    """A decision in the district's file about one person.

    :param person: None if the person is not in the roster.
    :param is_over: its last night has passed. `is_yet_to_begin`: its first night is in the future.
    """

    sourced_id: str
    person: Person | None
    decision: PersonDecision
    is_over: bool
    is_yet_to_begin: bool

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        about = self.person.description if self.person else None
        said: dict[str, Any] = msgspec.to_builtins(self.decision)
        return {
            "sourced_id": self.sourced_id,
            "person": about,
            **said,
            "is_over": self.is_over,
            "is_yet_to_begin": self.is_yet_to_begin,
        }


def decisions_made(roster: CurrentRoster) -> list[Decided]:
    """All decisions about single people, in the order of the file."""
    made = roster.district.people
    people = described(roster, made)
    return [
        Decided(key, people.get(key), one, one.ended_before(roster.night), one.begins_after(roster.night))
        for key, one in made.items()
    ]


def decide(
    file: DistrictFile,
    sourced_id: str,
    *,
    reason: str,
    exclude: bool = False,
    username: str | None = None,
    first: date | None = None,
    until: date | None = None,
) -> Edit:
    """The file with a decision about one person. It replaces an older one.

    :param first: its first night. `until`: its last night.
    :raises ActionRequired: `district_file` if the decision is empty or has no reason; `username_unusable` if the
        username contains an invisible character, a space, or a control character.
    """
    if username is not None and (visible(username) != username or is_refused(username)):
        raise ActionRequired(
            "username_unusable",
            "The username contains an invisible character, a space, or a control character. Nothing was written.",
            remedy="Type it instead of pasting it, without spaces.",
            district=file.district.district,
        )
    decision: dict[str, Any] = {"exclude": True} if exclude else {"username": username}
    decision["reason"] = reason
    if first is not None:
        decision["from"] = first
    if until is not None:
        decision["until"] = until
    return file.edited(lambda text: with_setting(text, ("people", sourced_id), decision))


def clear(file: DistrictFile, sourced_id: str) -> Edit:
    """The file without its decision about a person.

    :raises ActionRequired: `person_not_decided`.
    """
    if sourced_id not in file.district.people:
        raise ActionRequired(
            "person_not_decided",
            f"{file.path.name} has no decision about this person.",
            remedy=f"To list its decisions: rollcall people list {file.district.district}",
            district=file.district.district,
        )
    return file.edited(lambda text: without_setting(text, ("people", sourced_id)))


def _grades(text: object) -> str:
    made = msgspec.json.decode(text) if isinstance(text, str) else []
    return ", ".join(str(grade) for grade in made) if isinstance(made, list) else ""
