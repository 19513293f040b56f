"""A new district before it is saved: what its check found, what a person chose, and the file that follows from both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from rollcall.check import steps
from rollcall.district_edits.fields import ROLES, USUAL_TRANSFORM, FieldFacts
from rollcall.district_edits.file import read_as, with_setting
from rollcall.district_edits.sites import School
from rollcall.district_edits.suggestions import Suggestion, suggestions
from rollcall.errors import ActionRequired
from rollcall.onboarding import district_file
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import District, districts_folder
from rollcall.settings.nights import starts_on_for_tonight
from rollcall.settings.sections import EXCLUDE, UNDECIDED

Status = Literal["entered", "testing", "passed", "failed"]


class FoundSchool(msgspec.Struct, frozen=True, kw_only=True):
    """A school of the connection, or another org with people. Head-counts are None if they are not known."""

    sourced_id: str
    name: str
    identifier: str = ""
    is_school: bool = True
    students: int | None = None
    staff: int | None = None


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided about a new district.

    :param student: the username field of students; `staff` likewise.
    :param site_list: the sites in their order, ID and name; empty if every school is its own site.
    :param sites: the decision per school: sourcedId to a site's ID, `exclude`, or `undecided`.
    """

    district: str = ""
    name: str = ""
    timezone: str = ""
    student: str = "email"
    staff: str = "email"
    demographics: bool = False
    site_list: list[tuple[str, str]] = []
    sites: dict[str, str] = {}

    @property
    def targets(self) -> dict[str, str]:
        """The sites, ID to name."""
        return dict(self.site_list)


class DraftState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a draft. Nothing in it is secret, and nothing is about a person.

    :param attempt: the test that runs or ran last; another one's results are not stored.
    :param steps: of the check so far, as `plain_step` writes them.
    :param email: to the district, once the check has ended.
    :param proposed: the ID that the provider's name for the district suggests.
    :param profile: what a passed check stores of the provider, once the district has its ID.
    :param people: whether people were read after the check, and how far.
    :param people_error: why they could not be read.
    :param pulled: the pull they are in: the district's ID when they were read, and the pull's ID.
    :param facts: the username fields compared on these people.
    :param reason: why the person continued without a passed check.
    :param is_stored: whether Airflow has the connection already, because the file could not be written.
    """

    status: Status = "entered"
    attempt: str = ""
    steps: list[dict[str, Any]] = []
    email: str = ""
    version: str = ""
    name: str = ""
    proposed: str = ""
    checked_at: str = ""
    pinned_org: str | None = None
    profile: dict[str, Any] = {}
    schools: list[FoundSchool] = []
    people: Literal["", "reading", "ready", "failed"] = ""
    people_rows: int = 0
    people_error: str = ""
    pulled: tuple[str, str] | None = None
    facts: list[FieldFacts] = []
    reason: str = ""
    is_stored: bool = False
    choices: Choices = Choices()

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> DraftState:
        """From the draft's row."""
        return msgspec.convert(dict(plain), cls)

    @property
    def district(self) -> str:
        """The ID of the new district."""
        return self.choices.district or self.proposed

    @property
    def may_continue(self) -> bool:
        """Saving needs a passed check, or a reason that is recorded."""
        return self.status == "passed" or bool(self.reason)


def plain(**changed: Any) -> dict[str, Any]:
    """Changed fields of a state as JSON has them."""
    return {name: msgspec.to_builtins(value) for name, value in changed.items()}


def seal(found: ParsedCredentials) -> bytes:
    """The credentials as one text, to be encrypted by the caller."""
    return msgspec.json.encode(found)


def unseal(text: bytes) -> ParsedCredentials:
    """What `seal` wrote."""
    return msgspec.json.decode(text, type=ParsedCredentials)


_EVERY_DISTRICT = re.compile(
    r"\b(unified|independent|consolidated|community|public|county|city|joint|union|elementary|high|central|area|local|"
    r"regional|school|schools|district|isd|usd|cusd|sd|no|the|of)\b"
)


def propose_id(name: str) -> str:
    """A district's ID from its name: `Birch Unified School District` is `birch`. Free in the folder of districts."""
    words = re.sub(r"[^a-z0-9]+", " ", name.casefold())
    short = _EVERY_DISTRICT.sub(" ", words).split() or words.split()
    made = "_".join(short).lstrip("0123456789_") or "district"
    candidates = (made, *(f"{made}_{number}" for number in range(2, 1000)))
    folder = districts_folder()
    return next(one for one in candidates if not (folder / f"{one}.yaml").exists())


_APPLICATION = re.compile(r"/oneroster/v1p[12]/([a-z][a-z0-9_-]*)/", re.IGNORECASE)


def working_id(found: ParsedCredentials) -> str:
    """The district's ID until its provider says its name: from the text, else from its address."""
    if found.name:
        return propose_id(found.name)
    if application := _APPLICATION.search(found.base_url):
        return propose_id(application[1])
    labels = (urlsplit(found.base_url).hostname or "").split(".")
    return propose_id(labels[-2] if len(labels) > 1 and not labels[-1].isdigit() else "")


def parse_sites(lines: Iterable[str]) -> dict[str, str]:
    """Sites from text, one per line: `ME = Maple Elementary`. A name alone is also the ID.

    :raises ActionRequired: `site_twice`, `site_reserved`.
    """
    sites: dict[str, str] = {}
    for line in lines:
        key, _, name = (part.strip() for part in line.partition("="))
        if not key:
            continue
        if key in sites:
            raise ActionRequired(
                "site_twice", f"Two lines have the site ID {key}.", remedy="Give each site its own ID."
            )
        if key in (EXCLUDE, UNDECIDED):
            raise ActionRequired("site_reserved", f"No site can have the ID {key}.", remedy="Choose another ID.")
        sites[key] = " ".join((name or key).split())
    return sites


def suggested_sites(
    schools: Sequence[FoundSchool], targets: Mapping[str, str], decided: Mapping[str, str]
) -> dict[str, Suggestion]:
    """A suggestion per undecided school, by sourcedId."""
    places = [
        School(
            sourced_id=school.sourced_id,
            identifier=school.identifier,
            name=school.name,
            type="school",
            students=0,
            staff=0,
            state="mapped" if decided.get(school.sourced_id) in targets else "undecided",
            site_id=site if (site := decided.get(school.sourced_id, "")) in targets else "",
        )
        for school in schools
        if decided.get(school.sourced_id) != EXCLUDE
    ]
    return suggestions(places, dict(targets))


def district_text(state: DraftState, added: date, starts_on: date) -> str:
    """The file of the new district.

    :raises ActionRequired: `district_setting` if a choice is not valid.
    """
    chosen = state.choices
    described = {
        "district": state.district,
        "name": chosen.name or state.name,
        "version": state.version or "1.2",
        "usernames": chosen.student,
        "demographics": chosen.demographics,
    }
    try:
        district = msgspec.convert(described, District)
    except msgspec.ValidationError as error:
        raise ActionRequired("district_setting", f"{_sentence(str(error))}") from None
    schools = [steps.School(school.sourced_id, school.name, school.students, school.staff) for school in state.schools]
    text = district_file.new_file(
        district,
        schools if chosen.targets else (),
        added=added,
        starts_on=starts_on,
        targets=chosen.targets,
        timezone=chosen.timezone,
        is_checked=state.status == "passed",
    )
    if chosen.staff != chosen.student:
        sources = {role: [{"field": getattr(chosen, role), "transform": list(USUAL_TRANSFORM)}] for role in ROLES}
        text = with_setting(text, ("usernames",), sources)
    for school, site in chosen.sites.items():
        if chosen.targets and site != UNDECIDED:
            text = with_setting(text, ("sites", "map", school), site)
    return text


def described(state: DraftState, now: datetime) -> tuple[str, District]:
    """The file of the new district, and the district as every run will read it. Its first night is the next one.

    :raises ActionRequired: `district_exists`; `district_setting` or `district_file` if a choice is not valid.
    """
    path = districts_folder() / f"{state.district}.yaml"
    if path.exists():
        raise ActionRequired(
            "district_exists", f"There is a district {state.district} already.", remedy="Choose another ID."
        )
    usual = read_as(path, district_text(_in_zone(state, ""), now.date(), now.date())).schedule.timezone
    if state.choices.timezone == usual:
        state = _in_zone(state, "")
    tonight = starts_on_for_tonight(read_as(path, district_text(state, now.date(), now.date())), now)
    text = district_text(state, now.date(), tonight)
    return text, read_as(path, text)


def _in_zone(state: DraftState, timezone: str) -> DraftState:
    return msgspec.structs.replace(state, choices=msgspec.structs.replace(state.choices, timezone=timezone))


def _sentence(text: str) -> str:
    text = text.partition(" - at ")[0]
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
