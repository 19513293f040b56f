"""A district, as its YAML file describes it: frozen, self-checking, unknown keys are errors.

The files lie in the folder `ROLLCALL_DISTRICTS` (default `include/districts`); `_defaults.yaml` there is laid under
each of them (maps merge, lists replace). Light on purpose: DAG files import this module at every parse.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from include import yaml_lines
from include.errors import NeedsPerson
from include.tables import COLLECTIONS

#: Transforms of a username source that take no argument, and those that take one (text) or two (a pair).
PLAIN_TRANSFORMS = ("trim", "lower", "upper", "ascii", "no_spaces", "local_part")
TEXT_TRANSFORMS = ("domain", "prefix", "suffix")
PAIR_TRANSFORMS = ("replace", "regex")

#: What a role can be mapped to. `undecided` is what an unknown role is until somebody decides.
RoleTarget = Literal["student", "staff", "leave_out", "do_not_land"]

#: Every role of OneRoster 1.1 and 1.2; guardians and relatives have no account unless a district says so.
DEFAULT_ROLES: dict[str, RoleTarget] = {
    "student": "student",
    "guardian": "leave_out",
    "parent": "leave_out",
    "relative": "leave_out",
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

#: Ids whose DAG would have the name of one of ours.
_TAKEN = ("connections", "holds")

USERNAME_FIELDS = ("email", "username", "sourcedId", "identifier")
_USERNAME_FIELD_PREFIXES = ("userIds.", "metadata.")


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings refuse unknown keys, so that a misspelt one is an error and not a silence."""


class Schedule(_Settings, frozen=True):
    """When a district's night runs.

    :param nightly: a cron expression in `timezone`, or `spread`: a steady minute inside `off_peak`, from the name.
    :param off_peak: `HH:MM-HH:MM`, may pass midnight; the district's own hours for heavy requests.
    :param full_on: the day whose night pulls everything; the others ask for what was modified since.
    :param overlap_hours: how far before the last pull a delta asks, for records stamped late.
    """

    nightly: str = "spread"
    timezone: str = "America/Chicago"
    off_peak: str = "22:00-05:00"
    full_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "sunday"
    overlap_hours: int = 24

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"timezone {self.timezone!r} is not an IANA zone such as America/Chicago") from None
        self.window()
        if not 0 <= self.overlap_hours <= 24 * 30:
            raise ValueError("overlap_hours must be between 0 and 720")
        if self.nightly != "spread" and not re.fullmatch(r"\S+( \S+){4}", self.nightly):
            raise ValueError('nightly must be "spread" or a cron expression of five fields such as "15 2 * * *"')

    def window(self) -> tuple[time, time]:
        """Start and end of off-peak, local time."""
        match = re.fullmatch(r"(\d\d:\d\d)-(\d\d:\d\d)", self.off_peak)
        if match is None:
            raise ValueError('off_peak must look like "22:00-05:00"')
        start, end = (time.fromisoformat(part) for part in match.groups())
        return start, end

    def is_off_peak(self, moment: datetime) -> bool:
        """Whether an instant (aware) lies in the district's off-peak hours."""
        start, end = self.window()
        local = moment.astimezone(ZoneInfo(self.timezone)).time()
        return start <= local < end if start < end else local >= start or local < end

    def cron(self, district: str) -> str:
        """The cron expression; for `spread` always the same for the same district, an hour before off-peak ends."""
        if self.nightly != "spread":
            return self.nightly
        start, end = self.window()
        first = start.hour * 60 + start.minute
        length = max((end.hour * 60 + end.minute - first) % 1440 - 60, 1)
        spread = int.from_bytes(hashlib.sha256(district.encode()).digest()[:4], "big") % length
        minute = (first + spread) % 1440
        return f"{minute % 60} {minute // 60} * * *"


class Politeness(_Settings, frozen=True):
    """How hard a district's provider may be asked (Infinite Campus: five requests at once, one in peak hours)."""

    page_size: int = 5000
    concurrency: int = 5
    concurrency_in_peak: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= 50_000:
            raise ValueError("page_size must be between 1 and 50000")
        if not 1 <= self.concurrency_in_peak <= self.concurrency <= 5:
            raise ValueError("concurrency must be 1 to 5, and concurrency_in_peak at most as much")


class UsernameSource(_Settings, frozen=True):
    """One field a username may come from, and what is done to it, in order; `pattern` must match the whole result."""

    field: str
    transform: list[str | dict[str, Any]] = []
    pattern: str | None = None

    def __post_init__(self) -> None:
        known = self.field in USERNAME_FIELDS or self.field.startswith(_USERNAME_FIELD_PREFIXES)
        if not known or self.field.endswith("."):
            raise ValueError(
                f"unknown username field {self.field!r}; fields are {', '.join(USERNAME_FIELDS)}, "
                "userIds.<type> and metadata.<key>"
            )
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
    raise ValueError(f"unknown transform {name!r}{_nearest(name, every)}; transforms are {', '.join(every)}")


def _arguments(name: str) -> str:
    if name in PLAIN_TRANSFORMS:
        return "no argument"
    return "one text" if name in TEXT_TRANSFORMS else "a list of two texts"


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from None


class Usernames(_Settings, frozen=True):
    """Ordered sources per role; the next one only where the one above is empty (rule 10: nothing is guessed)."""

    student: list[UsernameSource]
    staff: list[UsernameSource]


class Sites(_Settings, frozen=True):
    """The vendor's sites and which school belongs to which; a school not in `map` is undecided and left out.

    :param targets: site id to name, or a plain list of names that are their own ids.
    :param map: an org's sourcedId to a site id, or `leave_out`.
    """

    targets: dict[str, str] | list[str]
    map: dict[str, str] = {}

    def __post_init__(self) -> None:
        for org, site in self.map.items():
            if site != "leave_out" and site not in self.names():
                near = _nearest(site, [*self.names(), "leave_out"])
                raise ValueError(f"school {org!r} is mapped to {site!r}, which is none of the targets{near}")

    def names(self) -> dict[str, str]:
        """Site id to name."""
        return self.targets if isinstance(self.targets, dict) else {name: name for name in self.targets}


class District(_Settings, frozen=True):
    """Everything Rollcall knows about one district, checked.

    :param district: its id, equal to the file's name; `district_id` in the warehouse.
    :param starts_on: a fixed date, so that adding a file starts nothing at once.
    :param demographics: the "data to share" tick; they are pulled only if it is set here and on the district's side.
    :param collections: narrows what is pulled; empty means all.
    :param person_key: records with the same key, name and role are one person.
    """

    district: str
    name: str
    version: Literal["1.1", "1.2"]
    usernames: str | Usernames
    enabled: bool = True
    starts_on: date = date(2026, 1, 1)
    connection: str = ""
    owner: str = "data-engineering"
    demographics: bool = False
    collections: list[str] = []
    schedule: Schedule = msgspec.field(default_factory=Schedule)
    politeness: Politeness = msgspec.field(default_factory=Politeness)
    pool: str = "default_pool"
    person_key: Literal["identifier", "sourcedId"] = "identifier"
    sites: Sites | None = None
    roles: dict[str, RoleTarget] = {}

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.district):
            raise ValueError("district must be lower-case letters, digits and _, beginning with a letter")
        if self.district in _TAKEN:
            raise ValueError(f"district must not be {self.district!r}: roster_{self.district} is a DAG of its own")
        if isinstance(self.usernames, str):
            UsernameSource(field=self.usernames)
        for collection in self.collections:
            if collection not in COLLECTIONS:
                raise ValueError(f"unknown collection {collection!r}{_nearest(collection, COLLECTIONS)}")

    @property
    def dag_id(self) -> str:
        return f"roster_{self.district}"

    @property
    def connection_id(self) -> str:
        return self.connection or f"oneroster_{self.district}"

    def wanted(self) -> list[str]:
        """The collections a full pull asks for, in the order in which references resolve."""
        chosen = self.collections or list(COLLECTIONS)
        return [name for name in COLLECTIONS if name in chosen and (name != "demographics" or self.demographics)]

    def username_sources(self, role: Literal["student", "staff"]) -> list[UsernameSource]:
        """The ordered sources for a role; the short form `usernames: email` means trimmed and lower-cased for both."""
        if isinstance(self.usernames, str):
            return [UsernameSource(field=self.usernames, transform=["trim", "lower"])]
        return self.usernames.student if role == "student" else self.usernames.staff

    def role_target(self, role: str) -> RoleTarget | Literal["undecided"]:
        """What a OneRoster role becomes."""
        decided = self.roles.get(role) or DEFAULT_ROLES.get(role)
        return decided or "undecided"

    def requests_at_once(self, moment: datetime) -> int:
        """Requests at once that are polite at this instant."""
        polite = self.politeness
        return polite.concurrency if self.schedule.is_off_peak(moment) else polite.concurrency_in_peak

    def client_options(self) -> dict[str, Any]:
        """What `OneRosterClient` takes beside the connection and the budget, which knows the hour."""
        return {
            "version": self.version,
            "page_size": self.politeness.page_size,
            "concurrency": self.politeness.concurrency,
            "demographics": self.demographics,
        }


def rules_digest(district: District) -> str:
    """A digest of the settings that decide accounts; when it changes everybody is mapped again."""
    rules = {"usernames": district.usernames, "sites": district.sites, "roles": district.roles}
    data = msgspec.json.encode([rules, district.person_key], order="deterministic")
    return hashlib.sha256(data).hexdigest()[:16]


def districts_folder() -> Path:
    """`ROLLCALL_DISTRICTS`, else the folder shipped beside this module."""
    return Path(os.environ.get("ROLLCALL_DISTRICTS") or Path(__file__).parent / "districts")


def district_files(folder: Path | None = None) -> list[Path]:
    """The districts' files, sorted; names that begin with `_` or `.` are not districts."""
    return sorted(path for path in (folder or districts_folder()).glob("*.yaml") if path.name[0] not in "_.")


def load_district(path: Path) -> District:
    """Read one district's file over the defaults beside it.

    :raises NeedsPerson: `district_file` with the file, the line, the key and the nearest valid one.
    """
    data = _read(path)
    defaults_path = path.parent / "_defaults.yaml"
    defaults = _read(defaults_path) if defaults_path.exists() else {}
    try:
        district = msgspec.convert(_merged(defaults, data), District)
    except msgspec.ValidationError as exc:
        raise _explained(path, defaults_path, data, str(exc)) from None
    if district.district != path.stem:
        raise _error(path, 1, f"district is {district.district!r} but the file is {path.name}", "Make them equal.")
    return district


def load_districts(only: str | None = None) -> tuple[list[District], list[NeedsPerson]]:
    """Every district that can be read, and what is wrong with the files that cannot: one takes no other with it.

    :param only: read this district's file alone, as a task of its DAG does at its start.
    """
    districts, errors = [], []
    for path in district_files():
        if only is not None and path.stem != only:
            continue
        try:
            districts.append(load_district(path))
        except NeedsPerson as error:
            errors.append(error)
    return districts, errors


def find_district(name: str) -> District:
    """A district by its id, or by the path to its file.

    :raises NeedsPerson: `district_unknown`, naming the nearest district there is.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) or "/" in name else districts_folder() / f"{name}.yaml"
    if not path.is_file():
        near = _nearest(path.stem, [file.stem for file in district_files(path.parent)])
        raise NeedsPerson(
            "district_unknown",
            f"There is no district {name!r} in {path.parent}{near}.",
            remedy="Name a district of that folder, or set ROLLCALL_DISTRICTS to the folder of your districts.",
        )
    return load_district(path)


def night_of(moment: datetime, timezone: str) -> date:
    """The night an instant belongs to: the local date of the morning a run publishes for (evenings count forward)."""
    return (moment.astimezone(ZoneInfo(timezone)) + timedelta(hours=6)).date()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a district's file, for editors."""
    return msgspec.json.schema(District)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml_lines.load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise _error(path, line, f"not valid YAML: {getattr(exc, 'problem', 'unreadable')}", "") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise _error(path, 1, "a district's file is a map of settings", "Begin with `district: …`.")
    if isinstance(data.get("version"), float):
        data["version"] = str(data["version"])
    return data


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both_maps = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = _merged(under[key], value) if both_maps else value
    return merged


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*?)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>.*?)`")
_AT = re.compile(r" - at `(?P<at>\$.*?)`$")


def _explained(path: Path, defaults_path: Path, data: dict[str, Any], text: str) -> NeedsPerson:
    """A msgspec message as a sentence with file, line, key and the nearest valid key."""
    at = _AT.search(text)
    keys = re.findall(r"[^.$\[\]]+", at["at"]) if at else []
    text = _AT.sub("", text)
    if unknown := _UNKNOWN.search(text):
        key = unknown["key"]
        file = _file_of(path, defaults_path, data, [*keys, key])
        valid = _fields_at(keys)
        near = _nearest(key, valid)
        where = f" in {'.'.join(keys)}" if keys else ""
        remedy = f"Valid keys{where}: {', '.join(valid)}." if valid else ""
        return _error(file, yaml_lines.line_of(file, keys, key=key), f"unknown key {key!r}{where}{near}", remedy)
    if missing := _MISSING.search(text):
        key = ".".join([*keys, missing["key"]])
        return _error(path, yaml_lines.line_of(path, keys), f"missing key {key!r}", f"Add `{missing['key']}: …`.")
    file = _file_of(path, defaults_path, data, keys)
    subject = f"{'.'.join(keys)}: " if keys else ""
    remedy = f"A role becomes one of: {', '.join(get_args(RoleTarget))}." if keys[:1] == ["roles"] else ""
    return _error(file, yaml_lines.line_of(file, keys), f"{subject}{text}", remedy)


def _file_of(path: Path, defaults_path: Path, data: dict[str, Any], keys: list[str]) -> Path:
    """The file to change: the defaults only for a section the district itself does not mention."""
    return defaults_path if keys and keys[0] not in data and defaults_path.exists() else path


def _fields_at(keys: list[str]) -> list[str]:
    """The keys valid at a place in the file, from the settings' own classes."""
    places: dict[tuple[str, ...], type[_Settings]] = {
        (): District,
        ("schedule",): Schedule,
        ("politeness",): Politeness,
        ("sites",): Sites,
        ("usernames",): Usernames,
        ("usernames", "student"): UsernameSource,
        ("usernames", "staff"): UsernameSource,
    }
    kind = places.get(tuple(key for key in keys if key != "..." and not key.isdigit()))
    return list(kind.__struct_fields__) if kind else []


def _nearest(name: str, valid: Any) -> str:
    near = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _error(path: Path, line: int, problem: str, remedy: str) -> NeedsPerson:
    return NeedsPerson("district_file", f"{path.name}, line {line}: {problem}.", remedy=remedy, district=path.stem)
