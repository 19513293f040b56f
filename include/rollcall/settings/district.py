"""A district, as its YAML file describes it: frozen and self-checking."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from rollcall.model.tables import COLLECTIONS
from rollcall.model.vocabularies import token
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
    Settings,
    Sites,
    Usernames,
    UsernameSource,
    nearest,
)

#: Ids whose DAG would have the name of one of ours.
_TAKEN = ("connections", "holds", "morning")


class District(Settings, frozen=True):
    """Everything Rollcall knows about one district, checked.

    :param district: its id, equal to the file's name; `district_id` in the warehouse.
    :param starts_on: a fixed date, so that adding a file starts nothing at once.
    :param demographics: the "data to share" tick; they are pulled only if it is set here and on the district's side.
    :param collections: narrows what is pulled; empty means all.
    :param person_key: records with the same key and name that do not contradict each other are one person; by
        `identifier` within a role, by `email` across roles, by `sourcedId` none are.
    :param people: decisions about one person, by sourcedId.
    :param rules: rules raised or lowered, by name, or by `<collection>.<name>` for one collection only.
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

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.district):
            raise ValueError("district must be lower-case letters, digits and _, beginning with a letter")
        if self.district in _TAKEN:
            raise ValueError(f"district must not be {self.district!r}: roster_{self.district} is a DAG of its own")
        if isinstance(self.usernames, str):
            UsernameSource(field=self.usernames)
        for collection in self.collections:
            if collection not in COLLECTIONS:
                raise ValueError(f"unknown collection {collection!r}{nearest(collection, COLLECTIONS)}")
        roles = {token("role", role): target for role, target in self.roles.items()}
        if roles != self.roles:
            msgspec.structs.force_setattr(self, "roles", roles)
        unread = {"classes", "enrollments", "academic_sessions"} - set(self.wanted())
        if self.filters.require_class and unread:
            missing = ", ".join(sorted(unread))
            raise ValueError(f"filters.require_class needs collections that are not pulled: {missing}")

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
        polite = self.extract
        return polite.concurrency if self.schedule.is_off_peak(moment) else polite.peak_concurrency

    def client_options(self) -> dict[str, Any]:
        """What `OneRosterClient` takes beside the connection and the budget, which knows the hour."""
        return {
            "version": self.version,
            "page_size": self.extract.page_size,
            "concurrency": self.extract.concurrency,
            "demographics": self.demographics,
        }


def rules_digest(district: District) -> str:
    """A digest of the settings that decide accounts; when it changes everybody is mapped again."""
    names = ("usernames", "sites", "roles", "filters", "people", "person_key")
    data = msgspec.json.encode({name: getattr(district, name) for name in names}, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:16]
