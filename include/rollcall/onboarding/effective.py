"""A district's effective settings and where each comes from: its file, the defaults, or Rollcall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from rollcall.display.dates import format_instant
from rollcall.district_edits.file import written
from rollcall.settings import District, Nights, district_path, find_district, yaml_text
from rollcall.settings.vocabulary import doubts

#: The source of a setting: the district's file, the defaults in its folder, or Rollcall itself.
Source = Literal["file", "_defaults.yaml", "built in"]


@dataclass(frozen=True)
class Effective:
    """All effective settings of one district.

    :param settings: plain values.
    :param sources: the source by the setting's path, joined with dots. Each entry of a map has its own path.
    """

    path: Path
    district: District
    settings: Mapping[str, Any]
    sources: Mapping[str, Source]
    now: datetime

    def plain(self) -> dict[str, Any]:
        """The same for `--json`."""
        district = self.district
        return {
            "file": str(self.path),
            "settings": dict(self.settings),
            "sources": dict(self.sources),
            "connection_id": district.connection_id,
            "dag_id": district.dag_id,
            "nightly": district.schedule.cron(district.district),
            "next_night": self.next_night.isoformat() if self.next_night else None,
        }

    @property
    def next_night(self) -> datetime | None:
        """When Airflow runs the district next; None if it is disabled."""
        return Nights(self.district).next_night(self.now).begins if self.district.enabled else None

    def yaml(self) -> str:
        """As a district's file. A comment gives the source of a setting that is not from the file."""
        return "\n".join(_lines(self.settings, self.sources, self._remarks(), ())) + "\n"

    def _remarks(self) -> dict[str, str]:
        """What a short value means."""
        district = self.district
        remarks = {} if district.connection else {"connection": district.connection_id}
        if district.schedule.nightly == "spread":
            remarks["schedule.nightly"] = district.schedule.cron(district.district)
        if self.next_night is not None:
            remarks["starts_on"] = f"next night: {format_instant(self.next_night, district.schedule.timezone)}"
        if district.sites is None:
            remarks["sites"] = "every school is its own site"
        return remarks | doubts(district)


def effective(name: str, now: datetime | None = None) -> Effective:
    """A district's settings, by its ID or the path to its file.

    :raises ActionRequired: `district_unknown`, `district_file`.
    """
    district = find_district(name)
    path = district_path(name)
    settings = msgspec.to_builtins(district)
    own, defaults = _read(path), _read(path.parent / "_defaults.yaml")
    return Effective(path, district, settings, dict(_sources(settings, own, defaults, ())), now or datetime.now(UTC))


def _read(path: Path) -> Mapping[str, Any]:
    found = yaml_text.load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _sources(settings: Mapping[str, Any], own: Any, defaults: Any, at: tuple[str, ...]) -> Iterator[tuple[str, Source]]:
    for key, value in settings.items():
        mine, theirs = _entry(own, key), _entry(defaults, key)
        if isinstance(value, dict) and value:
            yield from _sources(value, mine, theirs, (*at, key))
        else:
            source: Source = "file" if _has(own, key) else "_defaults.yaml" if _has(defaults, key) else "built in"
            yield ".".join((*at, key)), source


def _entry(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None


def _has(node: Any, key: str) -> bool:
    return isinstance(node, dict) and key in node


def _lines(
    settings: Mapping[str, Any], sources: Mapping[str, Source], remarks: Mapping[str, str], at: tuple[str, ...]
) -> Iterator[str]:
    indent = "  " * len(at)
    for key, value in settings.items():
        path = ".".join((*at, key))
        if isinstance(value, dict) and value:
            yield f"{indent}{written(key)}:"
            yield from _lines(value, sources, remarks, (*at, key))
            continue
        source = sources[path]
        said = ", ".join(filter(None, ["" if source == "file" else source, remarks.get(path, "")]))
        yield f"{indent}{written(key)}: {written(value)}" + (f"  # {said}" if said else "")
