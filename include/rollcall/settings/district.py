"""A district, as its YAML file describes it: frozen and checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from rollcall.model.tables import COLLECTIONS, ROSTERING_COLLECTIONS
from rollcall.model.vocabularies import token
from rollcall.settings.base import Problem, Settings, nearest
from rollcall.settings.schedule import ExtractSettings, Schedule
from rollcall.settings.sections import (
    DEFAULT_ROLES,
    Filters,
    Guards,
    PersonDecision,
    Retention,
    RoleTarget,
    Rollover,
    RuleChange,
    Sites,
)
from rollcall.settings.usernames import FIELD_REMEDY, Usernames, UsernameSource, field_problem

#: IDs whose DAG would have the name of one of Rollcall's own.
_RESERVED = ("connections", "holds", "morning")


class District(Settings, frozen=True):
    """Everything Rollcall knows about one district, checked.

    :param district: its id, equal to the file's name; `district_id` in the warehouse.
    :param starts_on: the first night is the one after this date.
    :param demographics: pulled only if this is true and the district shares them.
    :param collections: narrows what is pulled; empty means all.
    :param person_key: records with the same key and name that do not contradict each other are one person:
        `identifier` within a role, `email` across roles, `sourcedId` never.
    :param people: decisions about one person, by sourcedId.
    :param rules: rules with another severity, by name, or by `<collection>.<name>` for one collection only.
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
    extract: ExtractSettings = msgspec.field(default_factory=ExtractSettings)
    pool: str = "default_pool"
    person_key: Literal["identifier", "email", "sourcedId"] = "identifier"
    sites: Sites | None = None
    roles: dict[str, RoleTarget] = {}
    filters: Filters = msgspec.field(default_factory=Filters)
    people: dict[str, PersonDecision] = {}
    rules: dict[str, RuleChange] = {}
    guards: Guards = msgspec.field(default_factory=Guards)
    rollover: Rollover | None = None
    retention: Retention = msgspec.field(default_factory=Retention)

    def normalize(self) -> None:
        roles = {token("role", role): target for role, target in self.roles.items()}
        if roles != self.roles:
            msgspec.structs.force_setattr(self, "roles", roles)

    def problems(self) -> Iterator[Problem]:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.district):
            yield Problem(("district",), "must be lowercase letters, digits, and _, and begin with a letter")
        elif self.district in _RESERVED:
            text = f"must not be '{self.district}': roster_{self.district} is one of Rollcall's own DAGs"
            yield Problem(("district",), text, "Choose another ID, and rename the file.")
        if isinstance(self.usernames, str) and (text := field_problem(self.usernames)):
            yield Problem(("usernames",), text, FIELD_REMEDY)
        for number, name in enumerate(self.collections):
            if name not in COLLECTIONS:
                text = f"has an unknown collection '{name}'{nearest(name, COLLECTIONS)}"
                yield Problem(("collections", number), text, f"Collections are {', '.join(COLLECTIONS)}.")
        unread = {"classes", "enrollments", "academic_sessions"} - set(self.wanted())
        if self.filters.require_class and unread:
            text = f"needs collections that are not pulled: {', '.join(sorted(unread))}"
            remedy = "Add them to collections, or remove require_class."
            yield Problem(("filters", "require_class"), text, remedy, ("collections",))

    @property
    def dag_id(self) -> str:
        return f"roster_{self.district}"

    @property
    def connection_id(self) -> str:
        return self.connection or f"oneroster_{self.district}"

    def wanted(self) -> list[str]:
        """The collections of a full pull, in the order in which references resolve."""
        chosen = self.collections or ROSTERING_COLLECTIONS
        return [name for name in COLLECTIONS if name in chosen and (name != "demographics" or self.demographics)]

    def username_sources(self, role: Literal["student", "staff"]) -> list[UsernameSource]:
        """The ordered sources for a role; the short form `usernames: email` means trimmed and lowercase for both."""
        if isinstance(self.usernames, str):
            return [UsernameSource(field=self.usernames, transform=["trim", "lower"])]
        return self.usernames.student if role == "student" else self.usernames.staff

    def role_target(self, role: str) -> RoleTarget | Literal["undecided"]:
        """What a OneRoster role becomes."""
        decided = self.roles.get(role) or DEFAULT_ROLES.get(role)
        return decided or "undecided"

    def requests_at_once(self, moment: datetime) -> int:
        """How many requests at once the provider allows at this instant."""
        limits = self.extract
        return limits.concurrency if self.schedule.is_off_peak(moment) else limits.peak_concurrency

    def client_options(self) -> dict[str, Any]:
        """Options of `OneRosterClient`. The connection and the budget, which knows the hour, come from the caller."""
        return {
            "version": self.version,
            "page_size": self.extract.page_size,
            "concurrency": self.extract.concurrency,
            "demographics": self.demographics,
            "limits": {
                name.removeprefix("max_"): getattr(self.extract, name)
                for name in ("max_page_mb", "max_page_seconds", "max_pages", "max_rows", "max_hours")
            },
        }


def rules_digest(district: District) -> str:
    """A digest of the settings that decide accounts. When it changes, everyone is mapped again."""
    names = ("usernames", "sites", "roles", "filters", "people", "person_key")
    data = msgspec.json.encode({name: getattr(district, name) for name in names}, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:16]
