"""What is learned about a provider, and what has changed since it was last looked at.

Counts of records are no part of it: they change every day, and a change here is a finding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class Org:
    """An org as people know it."""

    sourced_id: str
    name: str

    def __str__(self) -> str:
        return f"{self.name or 'an org without a name'} ({self.sourced_id})"


@dataclass(frozen=True)
class ProviderProfile:
    """A provider as one check saw it. None means not seen.

    :param page_cap: rows of its longest page, at most the requested number.
    :param largest_limit: the most rows per page that it accepts, if it refuses more; 0 if it refused none.
    :param totals: whether it sends totals.
    :param links: whether it links to the next page.
    :param filter_obeyed: whether the filter on `dateLastModified` works. Without it, every pull is a full pull.
    :param tombstones: whether a record marked as deleted was ever seen.
    :param demographics: whether they are shared; None if the district does not request them.
    :param envelopes: the member that contains the records, per collection.
    :param schools: sourcedId to name.
    :param district_org: the org the connection belongs to.
    """

    version: str
    base_url: str
    page_cap: int | None = None
    totals: bool | None = None
    links: bool | None = None
    filter_obeyed: bool | None = None
    tombstones: bool | None = None
    demographics: bool | None = None
    envelopes: Mapping[str, str] = field(default_factory=dict)
    schools: Mapping[str, str] = field(default_factory=dict)
    district_org: Org | None = None
    largest_limit: int | None = None

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ProviderProfile | None:
        """Back from JSON; None where no check has reached the provider yet."""
        return msgspec.convert(plain, cls) if "base_url" in plain else None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    def merged_with(self, before: ProviderProfile | None) -> ProviderProfile:
        """This profile, completed with the last one where nothing was seen."""
        if before is None:
            return self
        unseen = {item.name: getattr(before, item.name) for item in _fields() if getattr(self, item.name) is None}
        return dataclasses.replace(self, **unseen, envelopes={**before.envelopes, **self.envelopes})


def profile_changes(before: ProviderProfile | None, now: ProviderProfile) -> tuple[str, ...]:
    """The differences in words. What was not seen in either profile is not a difference.

    The district org is not among them: another org is a failed check.
    """
    if before is None:
        return ()
    differences = [
        f"{label} {_formatted(words, old)} → {_formatted(words, new)}"
        for name, label, words in _COMPARED
        if (old := getattr(before, name)) != (new := getattr(now, name)) and None not in (old, new)
    ]
    differences += [
        f"list of {name} `{key}` → `{now.envelopes[name]}`"
        for name, key in before.envelopes.items()
        if now.envelopes.get(name, key) != key
    ]
    return (*differences, *_changed_schools(before.schools, now.schools))


def _changed_schools(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    added = [f"school added: {name}" for key, name in now.items() if key not in before]
    removed = [f"school removed: {name}" for key, name in before.items() if key not in now]
    renamed = [
        f"school renamed: {name} → {now[key]}" for key, name in before.items() if key in now and now[key] != name
    ]
    return [*added, *removed, *renamed]


def _fields() -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(ProviderProfile)


#: What is compared: the field, its name, and the words for no and yes.
_COMPARED: tuple[tuple[str, str, tuple[str, str] | None], ...] = (
    ("version", "OneRoster version", None),
    ("base_url", "Base URL", None),
    ("page_cap", "page cap", None),
    ("largest_limit", "largest limit accepted", None),
    ("totals", "totals", ("not stated", "stated")),
    ("links", "links to the next page", ("not sent", "sent")),
    ("filter_obeyed", "delta filter", ("not supported", "supported")),
    ("tombstones", "deleted records", ("not marked", "marked")),
    ("demographics", "demographics", ("not shared", "shared")),
)


def _formatted(words: tuple[str, str] | None, value: Any) -> str:
    if words is not None:
        return words[bool(value)]
    if value == 0:
        return "no limit"
    return f"{value:,}" if isinstance(value, int) else str(value)
