"""Where usernames come from: ordered sources with their own transforms (rule 10)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args

import msgspec

from rollcall.model import username_fields
from rollcall.model.vocabularies import tokens

# What all settings share: frozen, and unknown keys are errors.


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings refuse unknown keys, so that a misspelt one is an error and not a silence."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no valid name is near."""
    near = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


# Who gets an account at all, beside sites and roles.


class Filters(Settings, frozen=True):
    """Narrow who gets an account; everybody stays in the staging tables.

    :param schools: only people at one of these orgs, by sourcedId; empty means all.
    :param grades: only students of these grades, as the provider writes them; empty means all. Staff have no grade.
    :param roles: only people with one of these OneRoster roles; empty means all that `roles` gives an account.
    :param terms: which classes count for `require_class`: those whose terms have begun and are not over (`active`), or
        `all`.
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

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{1,3}( days?)?", str(self.start_early)):
            raise ValueError('start_early must be a number of days such as "14 days", at most 999')
        roles = tokens("role", self.roles)
        if roles != self.roles:
            msgspec.structs.force_setattr(self, "roles", roles)

    @property
    def days_early(self) -> int:
        """`start_early` as a number of days."""
        return int(str(self.start_early).split()[0])


# How long what is kept.


class Retention(Settings, frozen=True):
    """Days after which things are deleted for good.

    :param landing_days: pulls in the landing zone; a night can be replayed for so long.
    :param rejects_days: refused records.
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

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


# What OneRoster's roles become.

#: What a role can be mapped to. `undecided` is what an unknown role is until somebody decides.
RoleTarget = Literal["student", "staff", "exclude", "drop"]

#: Every role of OneRoster 1.1 and 1.2; guardians and relatives have no account unless a district says so.
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

#: The roles of people who are in the roster because of another person.
_RELATIVES = ("guardian", "parent", "relative")


def measured_apart(roles: Mapping[str, RoleTarget]) -> tuple[list[str], list[str]]:
    """Which roles make a student and which make neither a student nor staff; every other role makes staff.

    A student who gets no account here is a student all the same.

    :param roles: what the district has decided.
    """
    targets = {**DEFAULT_ROLES, **roles}
    students = {name for name, target in targets.items() if target == "student"} | {"student"}
    others = {name for name in _RELATIVES if targets[name] not in ("student", "staff")}
    return sorted(students), sorted(others)


# A district's own view of how grave it is when a rule is broken.


class RuleChange(Settings, frozen=True):
    """A rule raised or lowered for one district.

    :param reason: why; a sentence somebody else understands next year.
    """

    severity: Literal["critical", "warning", "info"]
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("reason must say why")


# Decisions about one person, which stand in the district's file with why and until when.


class PersonDecision(Settings, frozen=True):
    """What was decided about one person, by sourcedId.

    :param exclude: no account.
    :param username: this username instead of what the sources give.
    :param reason: why; a sentence somebody else understands next year.
    :param from: the first night it holds; without it, at once.
    :param until: the last night it holds; without it, for good.
    """

    reason: str
    exclude: bool = False
    username: str | None = None
    from_: date | None = msgspec.field(default=None, name="from")
    until: date | None = None

    def __post_init__(self) -> None:
        if self.exclude == (self.username is not None):
            raise ValueError("say either exclude: true or a username, and why")
        if not self.reason.strip():
            raise ValueError("reason must say why")
        if self.from_ and self.until and self.until < self.from_:
            raise ValueError("a decision must not end before it begins")

    def holds_on(self, night: date) -> bool:
        return not self.is_yet_to_begin(night) and not self.is_over(night)

    def is_yet_to_begin(self, night: date) -> bool:
        return self.from_ is not None and night < self.from_

    def is_over(self, night: date) -> bool:
        return self.until is not None and self.until < night


# The vendor's sites and which school belongs to which.

#: What a school can be mapped to beside a site: no account for its people, or nobody has decided yet.
EXCLUDE = "exclude"
UNDECIDED = "undecided"


class Sites(Settings, frozen=True):
    """The vendor's sites and which school belongs to which; a school not in `map` is undecided and left out.

    :param targets: site id to name, or a plain list of names that are their own ids.
    :param query: in place of `targets`, SQL on the warehouse that yields site ids and, in a second column, names.
    :param map: an org's sourcedId to a site id, or `exclude`, or `undecided` in so many words.
    """

    targets: dict[str, str] | list[str] = []
    query: str = ""
    map: dict[str, str] = {}

    def __post_init__(self) -> None:
        if bool(self.query) == bool(self.targets):
            raise ValueError("give either targets, the vendor's sites, or a query that yields them")
        if self.query:
            return
        if taken := {EXCLUDE, UNDECIDED} & set(self.names()):
            raise ValueError(f"no target can have the id {', '.join(sorted(taken))}: it has a meaning of its own")
        for org, site in self.unknown().items():
            near = nearest(site, [*self.names(), EXCLUDE])
            raise ValueError(f"school {org!r} is mapped to {site!r}, which is none of the targets{near}")

    def names(self) -> dict[str, str]:
        """Site id to name; empty for a query, whose answer only the warehouse knows."""
        return self.targets if isinstance(self.targets, dict) else {name: name for name in self.targets}

    def unknown(self, names: dict[str, str] | None = None) -> dict[str, str]:
        """Which orgs are mapped to a site that is none of the targets, and to which.

        :param names: what a query answered, in place of :meth:`names`.
        """
        valid = self.names() if names is None else names
        return {org: site for org, site in self.map.items() if site not in valid and site not in (EXCLUDE, UNDECIDED)}


# How much of a roster may change in one night before a person has to look (rule 4).


class Floor(Settings, frozen=True):
    """So many rows may always change, so that a small school does not trip the guard."""

    people: int = 10
    classes: int = 10
    enrollments: int = 50


#: A share in the JSON Schema for editors; `Guards` itself explains what is wrong with one.
Share = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"^\d{1,3}(\.\d+)?%$", "examples": ["10%"]})]

SHARES = ("students", "staff", "others", "accounts", "classes", "enrollments", "updates", "usernames", "identity")


class Guards(Settings, frozen=True):
    """Shares, written like `10%`; a night that changes more is held.

    Each is measured in the whole district, per school and per site; students, staff and others apart, so that many
    guardians never hide how many students leave.

    :param students: students who leave; `staff` and `others` (guardians, relatives, people without a role) likewise.
    :param accounts: accounts that go, students' and staff's apart.
    :param updates: rows whose content changes, of any collection.
    :param usernames: accounts whose username changes.
    :param identity: people who come back under another sourcedId.
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

    def __post_init__(self) -> None:
        for name in SHARES:
            if not re.fullmatch(r"\d{1,3}(\.\d+)?%", getattr(self, name)) or self.share(name) > 1:
                raise ValueError(f'{name} must be a share such as "10%", at most 100%')

    def share(self, name: str) -> float:
        """A share as a number from 0 to 1."""
        return float(getattr(self, name).rstrip("%")) / 100


Accepted = Literal["classes", "enrollments", "promoted", "graduated"]


class Rollover(Settings, frozen=True):
    """The days of the year in which a school year is exchanged for the next: what it accepts is not held."""

    from_: date = msgspec.field(name="from")
    to: date
    accept: list[Accepted] = msgspec.field(default_factory=lambda: list(get_args(Accepted)))

    def __post_init__(self) -> None:
        if self.to < self.from_:
            raise ValueError("rollover must not end before it begins")

    def covers(self, night: date) -> bool:
        """Both ends included."""
        return self.from_ <= night <= self.to


#: Transforms of a username source that take no argument, and those that take one (text) or two (a pair).
PLAIN_TRANSFORMS = ("trim", "lower", "upper", "ascii", "no_spaces", "local_part")
TEXT_TRANSFORMS = ("domain", "prefix", "suffix")
PAIR_TRANSFORMS = ("replace", "regex")


class UsernameSource(Settings, frozen=True):
    """One field a username may come from, and what is done to it, in order; `pattern` must match the whole result."""

    field: str
    transform: list[str | dict[str, Any]] = []
    pattern: str | None = None

    def __post_init__(self) -> None:
        if username_fields.parse(self.field) is None:
            raise ValueError(f"unknown username field {self.field!r}; fields are {', '.join(username_fields.FORMS)}")
        for step in self.transform:
            _check_transform(step)
        if self.pattern is not None:
            _check_pattern(self.pattern)


def _check_transform(step: str | dict[str, Any]) -> None:
    name, argument = (step, None) if isinstance(step, str) else next(iter(step.items()), ("", None))
    if isinstance(step, dict) and len(step) != 1:
        raise ValueError("a transform with an argument is one name and its value, such as {domain: example.org}")
    if name in PLAIN_TRANSFORMS and argument is None:
        return
    if name in TEXT_TRANSFORMS and isinstance(argument, str):
        return
    is_pair = isinstance(argument, list) and len(argument) == 2 and all(isinstance(part, str) for part in argument)
    if name in PAIR_TRANSFORMS and is_pair:
        if name == "regex":
            _check_pattern(argument[0])  # type: ignore[index]
        return
    every = (*PLAIN_TRANSFORMS, *TEXT_TRANSFORMS, *PAIR_TRANSFORMS)
    if name in every:
        raise ValueError(f"transform {name!r} takes {_arguments(name)}")
    raise ValueError(f"unknown transform {name!r}{nearest(name, every)}; transforms are {', '.join(every)}")


def _arguments(name: str) -> str:
    if name in PLAIN_TRANSFORMS:
        return "no argument"
    return "one text" if name in TEXT_TRANSFORMS else "a list of two texts"


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from None


class Usernames(Settings, frozen=True):
    """Ordered sources per role; the next one only where the one above is empty (rule 10: nothing is guessed)."""

    student: list[UsernameSource]
    staff: list[UsernameSource]
