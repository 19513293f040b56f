"""A district's schools with their people and what has been decided about them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from rollcall.district_edits.current_roster import CurrentRoster
from rollcall.district_edits.file import DistrictFile, Edit, with_setting, without_setting
from rollcall.district_edits.suggestions import Suggestion, suggestions
from rollcall.errors import ActionRequired
from rollcall.settings import District
from rollcall.settings.base import nearest
from rollcall.settings.sections import EXCLUDE, UNDECIDED
from rollcall.warehouse.site_targets import resolve_site_targets

#: `own_site`: the file names no sites, so every school is its own. `no_school`: an office or department that is not
#: mapped; its people are at no school.
State = Literal["undecided", "mapped", "exclude", "own_site", "no_school"]

#: In the SIS; missing from the newest complete pull; gone, but held until a decision; gone, or never received.
Life = Literal["there", "missing", "held", "gone"]

_LIVES: dict[Life, str] = {
    "there": "",
    "missing": ", missing in the SIS",
    "held": ", gone from the SIS, held",
    "gone": ", gone from the SIS",
}

_ORDER: tuple[State, ...] = ("undecided", "mapped", "own_site", "exclude", "no_school")


@dataclass(frozen=True)
class School:
    """One school, or another org that has people or a decision.

    :param students: people with a student role here; `staff` likewise. Ended roles do not count.
    :param life: whether the SIS still has it.
    :param note: why a similar site is not suggested.
    """

    sourced_id: str
    identifier: str
    name: str
    type: str
    students: int
    staff: int
    state: State
    site_id: str = ""
    site_name: str = ""
    life: Life = "there"
    suggestion: str = ""
    note: str = ""

    @property
    def state_text(self) -> str:
        """The state in words."""
        words = {
            "undecided": "undecided",
            "mapped": f"{self.site_id} ({self.site_name})" if self.site_name != self.site_id else self.site_id,
            "exclude": "excluded",
            "own_site": "its own site",
            "no_school": f"no school ({self.type or 'unknown type'})",
        }[self.state]
        return words + _LIVES[self.life]


@dataclass(frozen=True)
class Schools:
    """A district's schools, undecided ones first.

    :param targets: site ID to name; empty if every school is its own site.
    :param basis: what the numbers are based on, if it is not the published roster.
    :param waiting: the number of people with a role at an undecided school.
    """

    district: District
    schools: list[School]
    targets: dict[str, str]
    waiting: int
    basis: str = ""

    def find(self, wanted: str) -> School:
        """A school by sourcedId, identifier or name.

        :raises ActionRequired: `school_unknown`; `school_ambiguous`, with all matches.
        """
        for attribute in ("sourced_id", "identifier", "name"):
            found = [school for school in self.schools if _same(getattr(school, attribute), wanted)]
            found = [school for school in found if school.life != "gone"] or found
            if len(found) > 1:
                listed = ", ".join(f"{school.name} ({school.sourced_id})" for school in found)
                raise self._error("school_ambiguous", f"{wanted!r} could be {listed}", "Give the sourcedId.")
            if found:
                return found[0]
        near = nearest(wanted, [name for school in self.schools for name in (school.name, school.sourced_id)])
        raise self._error(
            "school_unknown",
            f"{self.district.name} has no school {wanted!r}{near}",
            f"To list the schools: rollcall sites list {self.district.district}",
        )

    def site(self, wanted: str) -> str:
        """A site's ID by ID or name, or `exclude` or `undecided`.

        :raises ActionRequired: `no_sites`, `site_unknown`, `site_ambiguous`.
        """
        self.require_targets()
        if wanted in self.targets or wanted in (EXCLUDE, UNDECIDED):
            return wanted
        found = [key for key, name in self.targets.items() if _same(name, wanted) or _same(key, wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise self._error(
                "site_ambiguous", f"{wanted!r} is the name of {', '.join(found)}", "Give the ID of the site."
            )
        near = nearest(wanted, [*self.targets, *self.targets.values()])
        raise self._error("site_unknown", f"There is no site {wanted!r}{near}", "The sites are those of sites.targets.")

    @property
    def suggestions(self) -> dict[str, str]:
        """The suggested site of each school that has one, by sourcedId."""
        return {school.sourced_id: school.suggestion for school in self.schools if school.suggestion}

    def require_targets(self) -> None:
        """Require sites. Without `sites`, every school is its own site, and there is nothing to map to.

        :raises ActionRequired: `no_sites`.
        """
        if self.district.sites is None:
            key = self.district.district
            raise self._error(
                "no_sites",
                f"{key}.yaml names no sites, so every school is its own",
                "Add them first, such as:  sites: {targets: {ME: Maple Elementary, MH: Maple High}}",
            )

    def _error(self, code: str, problem: str, remedy: str) -> ActionRequired:
        return ActionRequired(code, f"{problem}.", remedy=remedy, district=self.district.district)


def schools_of(roster: CurrentRoster) -> Schools:
    """What `rollcall sites list DISTRICT` prints."""
    district = resolve_site_targets(roster.connection, roster.district)
    heads = _heads(district, roster)
    counts = heads.groupby(["org", "becomes"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["student", "staff"], fill_value=0)
    decided = {} if district.sites is None else district.sites.map
    targets = {} if district.sites is None else district.sites.names()
    schools = [
        _school(district, row, counts, decided, targets)
        for row in roster.orgs.to_dict("records")
        if row["sourced_id"] in decided
        or (row["life"] != "gone" and (row["type"] == "school" or row["sourced_id"] in counts.index))
    ]
    known = {school.sourced_id for school in schools}
    schools += [_never_seen(org, site, targets) for org, site in decided.items() if org not in known]
    near = suggestions([school for school in schools if school.life == "there"], targets)
    schools = [_with_suggestion(school, near.get(school.sourced_id)) for school in schools]
    schools.sort(
        key=lambda school: (_ORDER.index(school.state), school.life == "there", school.name, school.sourced_id)
    )
    undecided = [school.sourced_id for school in schools if school.state == "undecided"]
    waiting = heads.loc[heads["org"].isin(undecided), "user"].nunique()
    return Schools(roster.district, schools, targets, int(waiting), roster.basis)


def _school(
    district: District, org: dict[Hashable, Any], counts: pd.DataFrame, decided: dict[str, str], targets: dict[str, str]
) -> School:
    key, is_school = org["sourced_id"], org["type"] == "school"
    site = decided.get(key, UNDECIDED)
    state: State = "mapped" if site in targets else "exclude"
    if site == UNDECIDED:
        state = "no_school" if not is_school else "own_site" if district.sites is None else "undecided"
    heads = counts.loc[key] if key in counts.index else {"student": 0, "staff": 0}
    return School(
        sourced_id=key,
        identifier=org["identifier"],
        name=org["name"] or key,
        type=org["type"],
        students=int(heads["student"]),
        staff=int(heads["staff"]),
        state=state,
        site_id=site if state == "mapped" else "",
        site_name=targets.get(site, ""),
        life=org["life"],
    )


def _never_seen(org: str, site: str, targets: dict[str, str]) -> School:
    """A decision about an org that was never received: a typo, or an org outside the connection's scope."""
    state: State = "mapped" if site in targets else "exclude" if site == EXCLUDE else "undecided"
    name = targets.get(site, "")
    return School(org, "", org, "", 0, 0, state, site if name else "", name, life="gone")


def _with_suggestion(school: School, near: Suggestion | None) -> School:
    if near is None or school.state != "undecided":
        return school
    return replace(school, suggestion=near.site_id, note=near.why)


def _heads(district: District, roster: CurrentRoster) -> pd.DataFrame:
    """The different combinations of `org`, `user`, and `becomes` (student, staff)."""
    roles = roster.roles
    becomes = roles["role"].map({role: district.role_target(role) for role in roles["role"].dropna().unique()})
    counted = pd.DataFrame({"org": roles["org_sourced_id"], "user": roles["user_sourced_id"], "becomes": becomes})
    return counted[counted["becomes"].isin(["student", "staff"])].drop_duplicates()


def _same(one: str, other: str) -> bool:
    return bool(one) and one.casefold().strip() == other.casefold().strip()


def decided(school: School) -> str:
    """A school's entry in the file: a site's ID, `exclude`, or `undecided`."""
    return school.site_id or (EXCLUDE if school.state == "exclude" else UNDECIDED)


def decide(
    file: DistrictFile, schools: Schools, decisions: Mapping[str, str], targets: Mapping[str, str] | None = None
) -> Edit:
    """The file with these decisions. Decisions that it already has stay untouched.

    :param decisions: sourcedId to a site's ID, `exclude` or `undecided`.
    :param targets: sites to add, ID to name.
    :raises ActionRequired: `no_sites` if the district has no sites and none are added.
    """
    if not targets:
        schools.require_targets()
    changed = [
        school for school in schools.schools if decisions.get(school.sourced_id, decided(school)) != decided(school)
    ]

    def change(text: str) -> str:
        text = _with_targets(text, file.district, targets or {})
        for school in changed:
            path = ("sites", "map", school.sourced_id)
            text = with_setting(text, path, decisions[school.sourced_id], remark=school.name)
        return text

    return file.edited(change)


def every_school_its_own(file: DistrictFile) -> Edit:
    """The file without sites: every school is its own site."""
    return file.edited(lambda text: without_setting(text, ("sites",)))


def _with_targets(text: str, district: District, added: Mapping[str, str]) -> str:
    known = [] if district.sites is None else district.sites.targets
    if added and isinstance(known, list) and known:
        whole: Any = {name: name for name in known} | dict(added)
        is_plain = all(key == name for key, name in added.items())
        return with_setting(text, ("sites", "targets"), list(whole) if is_plain else whole)
    for key, name in added.items():
        text = with_setting(text, ("sites", "targets", key), name)
    return text
