"""The sections of a district's file, other than its schedule and its usernames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Literal, get_args

import msgspec

from rollcall.model.vocabularies import RELATIVES, tokens
from rollcall.settings.base import Problem, Settings, nearest

# Who gets an account at all, in addition to sites and roles.


class Filters(Settings, frozen=True):
    """Narrow who gets an account. Everyone stays in the staging tables.

    :param schools: only people at one of these orgs, by sourcedId; empty means all.
    :param grades: only students in these grades, as the provider writes them; empty means all. Staff have no grade.
    :param roles: only people with one of these OneRoster roles; empty means all to which `roles` gives an account.
    :param terms: which classes count for `require_class`: `active` means those whose terms have begun and not ended.
    :param require_class: only people enrolled in a class.
    :param start_early: how long before its begin date a role, an enrollment or a term counts, such as `14 days`.
    """

    schools: list[str] = []
    grades: list[str] = []
    roles: list[str] = []
    terms: Literal["active", "all"] = "active"
    require_class: bool = False
    start_early: Annotated[
        str | int,
        msgspec.Meta(
            description="How long before its begin date a role, an enrollment or a term counts.",
            extra_json_schema={"pattern": r"^\d{1,3}( days?)?$", "examples": ["14 days"]},
        ),
    ] = "0 days"

    def normalize(self) -> None:
        roles = tokens("role", self.roles)
        if roles != self.roles:
            msgspec.structs.force_setattr(self, "roles", roles)

    def problems(self) -> Iterator[Problem]:
        if not re.fullmatch(r"\d{1,3}( days?)?", str(self.start_early)):
            yield Problem(("start_early",), "must be a number of days such as 14 days, at most 999 days")

    @property
    def days_early(self) -> int:
        """`start_early` as a number of days."""
        return int(str(self.start_early).split()[0])


# How long data is kept.


class Retention(Settings, frozen=True):
    """Days after which data is deleted for good.

    :param landing_days: pulls in the landing zone. A night can be replayed for this long.
    :param rejects_days: rejected records.
    :param removed_days: rows of people and classes that were removed from the roster.
    :param history_days: history that ended before.
    :param runs_days: details of runs: counts, findings, proofs, closed holds, and runs that published nothing. A run
        that published stays as long as its history.
    """

    landing_days: int = 35
    rejects_days: int = 35
    removed_days: int = 400
    history_days: int = 800
    runs_days: int = 400

    def problems(self) -> Iterator[Problem]:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                yield Problem((name,), "must be at least 1 day")


# What OneRoster's roles become.

#: What a role can be mapped to. An unknown role is `undecided` until the district's file maps it.
RoleTarget = Literal["student", "staff", "exclude", "drop"]

#: Every role of OneRoster 1.1 and 1.2. Guardians and relatives have no account unless a district gives them one.
DEFAULT_ROLES: dict[str, RoleTarget] = {
    "student": "student",
    "guardian": "exclude",
    "parent": "exclude",
    "relative": "exclude",
    "administrator": "staff",
    "aide": "staff",
    "counselor": "staff",
    "districtAdministrator": "staff",
    "principal": "staff",
    "proctor": "staff",
    "siteAdministrator": "staff",
    "systemAdministrator": "staff",
    "teacher": "staff",
}


def measured_apart(roles: Mapping[str, RoleTarget]) -> tuple[list[str], list[str]]:
    """Which roles make a student, and which make neither a student nor staff. Every other role makes staff.

    A student who gets no account here still counts as a student.

    :param roles: the district's decisions.
    """
    targets = {**DEFAULT_ROLES, **roles}
    students = {name for name, target in targets.items() if target == "student"} | {"student"}
    others = {name for name in RELATIVES if targets[name] not in ("student", "staff")}
    return sorted(students), sorted(others)


class RuleChange(Settings, frozen=True):
    """A validation rule with another severity for one district.

    :param reason: why, in a sentence that others understand next year.
    """

    severity: Literal["critical", "warning", "info"]
    reason: str

    def problems(self) -> Iterator[Problem]:
        if not self.reason.strip():
            yield Problem(("reason",), "must not be empty", "Say why.")


class PersonDecision(Settings, frozen=True):
    """A decision about one person, by sourcedId.

    :param exclude: no account.
    :param username: this username instead of the one from the sources.
    :param reason: why, in a sentence that others understand next year.
    :param from: the first night it applies; without it, at once.
    :param until: the last night it applies; without it, for good.
    """

    reason: str
    exclude: bool = False
    username: str | None = None
    from_: date | None = msgspec.field(default=None, name="from")
    until: date | None = None

    def problems(self) -> Iterator[Problem]:
        if self.exclude == (self.username is not None):
            yield Problem((), "must have either exclude: true or a username", reads=("exclude", "username"))
        if not self.reason.strip():
            yield Problem(("reason",), "must not be empty", "Say why.")
        if self.from_ and self.until and self.until < self.from_:
            yield Problem(("until",), f"is {self.until}, before from, {self.from_}", reads=("from",))

    def applies_on(self, night: date) -> bool:
        return not self.begins_after(night) and not self.ended_before(night)

    def begins_after(self, night: date) -> bool:
        return self.from_ is not None and night < self.from_

    def ended_before(self, night: date) -> bool:
        return self.until is not None and self.until < night


# The vendor's sites, and the site of each school.

#: What a school can be mapped to other than a site: no account for its people, or not decided yet.
EXCLUDE = "exclude"
UNDECIDED = "undecided"


class Sites(Settings, frozen=True):
    """The vendor's sites, and the site of each school. A school not in `map` is undecided: its people get no account.

    :param targets: site ID to name, or a plain list of names that are their own IDs.
    :param query: instead of `targets`, SQL on the warehouse that returns site IDs and, in a second column, names.
    :param map: an org's sourcedId to a site's ID or name, or `exclude`, or `undecided`. Names become IDs here.
    """

    targets: dict[str, str] | list[str] = []
    query: str = ""
    map: dict[str, str] = {}

    def normalize(self) -> None:
        if not self.query:
            msgspec.structs.force_setattr(self, "map", self.map_by_id(self.names()))

    def problems(self) -> Iterator[Problem]:
        if self.query and self.targets:
            yield Problem(("query",), "and targets cannot both be given", "Keep one of them.", ("targets",))
        elif not self.query and not self.targets:
            yield Problem(
                (),
                "has neither targets nor a query",
                "List the sites, such as {targets: {ME: Maple Elementary}}, or write a query that returns them.",
                ("targets", "query"),
            )
        if self.query or not self.targets:
            return
        for site in sorted({EXCLUDE, UNDECIDED} & set(self.names())):
            yield Problem(("targets",), f"has a site with the ID '{site}', which is reserved", "Choose another ID.")
        for org, site in self.unknown().items():
            yield Problem(("map", org), *self.unknown_problem(site, self.names()), ("targets",))

    @staticmethod
    def unknown_problem(site: str, names: Mapping[str, str]) -> tuple[str, str]:
        """What is wrong with a site that is not known, and what to do.

        :param names: site ID to name.
        """
        same_name = [key for key, name in names.items() if _is_same(site, name)]
        if len(same_name) > 1:
            return f"is '{site}', the name of {len(same_name)} sites", f"Give the ID: {', '.join(same_name)}."
        near = nearest(site, [*names, *names.values(), EXCLUDE])
        return f"is '{site}', which is not a site{near}", "Give a site's ID or name, exclude, or undecided."

    def names(self) -> dict[str, str]:
        """Site ID to name; empty for a query, whose result only the warehouse knows."""
        return self.targets if isinstance(self.targets, dict) else {name: name for name in self.targets}

    def map_by_id(self, names: Mapping[str, str]) -> dict[str, str]:
        """`map` with IDs where the file has a site's name. An unknown or ambiguous name stays as it is.

        :param names: site ID to name.
        """
        return {org: _site_id(site, names) for org, site in self.map.items()}

    def unknown(self, names: Mapping[str, str] | None = None) -> dict[str, str]:
        """The orgs that are mapped to an unknown site, with that site.

        :param names: the result of a query, instead of :meth:`names`.
        """
        valid = self.names() if names is None else names
        return {org: site for org, site in self.map.items() if site not in valid and site not in (EXCLUDE, UNDECIDED)}


def _site_id(site: str, names: Mapping[str, str]) -> str:
    if site in names or site in (EXCLUDE, UNDECIDED):
        return site
    found = [key for key, name in names.items() if _is_same(site, name)]
    return found[0] if len(found) == 1 else site


def _is_same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


# How much of a roster may change in one night before it is held for a decision (rule 4).


class Floor(Settings, frozen=True):
    """This many rows may always change, so that a small school does not trip the guard."""

    people: int = 10
    classes: int = 10
    enrollments: int = 50

    def problems(self) -> Iterator[Problem]:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                yield Problem((name,), "must not be negative")


#: A share in the JSON Schema for editors; `Guards` itself explains what is wrong with one.
Share = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"^\d{1,3}(\.\d+)?%$", "examples": ["10%"]})]

SHARES = ("students", "staff", "others", "accounts", "classes", "enrollments", "updates", "usernames", "identity")


class Guards(Settings, frozen=True):
    """Shares, written like `10%`. A night that changes more is held.

    Each is measured in the whole district, per school, and per site. Students, staff, and others are measured apart, so
    that many guardians never hide how many students leave.

    :param students: students who leave; `staff` and `others` (guardians, relatives, people without a role) likewise.
    :param accounts: accounts that are removed, students' and staff's apart.
    :param updates: rows whose content changes, in any collection.
    :param usernames: accounts whose username changes.
    :param identity: people who return with another sourcedId.
    """

    students: Share = "10%"
    staff: Share = "10%"
    others: Share = "25%"
    accounts: Share = "10%"
    classes: Share = "10%"
    enrollments: Share = "20%"
    updates: Share = "75%"
    usernames: Share = "25%"
    identity: Share = "25%"
    floor: Floor = msgspec.field(default_factory=Floor)

    def problems(self) -> Iterator[Problem]:
        for name in SHARES:
            share = getattr(self, name)
            if re.fullmatch(r"\d{1,3}(\.\d+)?%", share) and self.share(name) <= 1:
                continue
            yield Problem((name,), f"must be a share such as 10%, at most 100%, not '{share}'")

    def share(self, name: str) -> float:
        """A share as a number from 0 to 1."""
        return float(getattr(self, name).rstrip("%")) / 100


Accepted = Literal["classes", "enrollments", "promoted", "graduated"]


class Rollover(Settings, frozen=True):
    """The days of the year on which one school year replaces another. The changes it accepts are not held."""

    from_: date = msgspec.field(name="from")
    to: date
    accept: list[Accepted] = msgspec.field(default_factory=lambda: list(get_args(Accepted)))

    def problems(self) -> Iterator[Problem]:
        if self.to < self.from_:
            yield Problem(("to",), f"is {self.to}, before from, {self.from_}", reads=("from",))

    def covers(self, night: date) -> bool:
        """Both ends included."""
        return self.from_ <= night <= self.to
