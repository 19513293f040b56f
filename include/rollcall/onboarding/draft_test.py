"""The test of a draft's connection: the check, and then one reading of the schools and people to decide on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from rollcall.check.email import email_text
from rollcall.check.steps import Step, step_title
from rollcall.check.table import plain_step
from rollcall.district_edits.current_roster import current_roster
from rollcall.district_edits.fields import compare
from rollcall.district_edits.sites import schools_of
from rollcall.errors import RollcallError, redact_errors
from rollcall.landing.zone import Landing
from rollcall.onboarding.draft import FoundSchool, plain, propose_id, working_id
from rollcall.onboarding.draft_end import delete_pull
from rollcall.onboarding.onboarding import DistrictOptions, Onboarding, check_replacement
from rollcall.onboarding.preview_pull import pull_preview
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import District, find_district

#: Stores changed fields of the draft, and the credentials if they changed. False if the draft has ended, or if a newer
#: test has started.
Save = Callable[[dict[str, Any], ParsedCredentials | None], bool]


@dataclass(frozen=True)
class DraftTest:
    """The test of one draft. It runs in the background and saves what it finds as it finds it.

    :param district: the district whose connection changes; empty for a new district.
    :param extra: the other settings of that connection.
    """

    engine: sa.Engine
    landing: Landing
    found: ParsedCredentials
    district: str
    extra: Mapping[str, Any]
    save: Save

    def run(self) -> None:
        """Test the connection. An error becomes the last step, and is not raised."""
        try:
            with redact_errors("check", district=self.district):
                described = self._check()
        except RollcallError as error:
            failed = _row(Step("test", "fail", 0, error.message, error.remedy))
            self._save(status="failed", steps=[failed])
            return
        if described is not None and not self.district:
            self._read_people(*described)

    def _check(self) -> tuple[District, ParsedCredentials] | None:
        """The district and its connection as they were found to work; None if they do not."""
        is_new = not self.district
        if is_new:
            name = working_id(self.found)
            onboarding = Onboarding(name, DistrictOptions(), keep=False, watch=self._watch)
            district, found, recorded = onboarding.check(self.found, self.engine)
        else:
            name = self.district
            before = find_district(name)
            district, found, recorded = check_replacement(before, self.found, self.extra, self.engine, self._watch)
        checked = recorded.checked
        shown = [
            FoundSchool(sourced_id=one.sourced_id, name=one.name, students=one.students, staff=one.teachers)
            for one in checked.schools
        ]
        proposed = propose_id(district.name) if is_new else name
        changed: dict[str, Any] = {
            "status": "passed" if checked.passed else "failed",
            "steps": [_row(step) for step in checked.steps],
            "email": email_text(checked),
            "version": district.version,
            "name": district.name,
            "proposed": proposed,
            "schools": shown,
        }
        if checked.passed:
            profile = recorded.profile
            changed |= {
                "checked_at": profile.checked_at.isoformat(),
                "pinned_org": profile.pinned_org,
                "profile": profile.profile,
                "people": "reading" if is_new else "",
            }
        self.save(plain(**changed), found)
        return (_renamed(district, proposed), found) if checked.passed else None

    def _watch(self, done: Sequence[Step]) -> None:
        self._save(steps=[_row(step) for step in done])

    def _read_people(self, district: District, found: ParsedCredentials) -> None:
        """Schools with head-counts, and the username fields compared on real people. Nothing is published."""
        pulled = None
        try:
            with redact_errors("reading", district=district.district):
                pulled = (district.district, self._pull(district, found))
                with current_roster(self.engine, district, self.landing) as roster:
                    schools, facts = schools_of(roster).schools, compare(roster)
        except RollcallError as error:
            self._save(people="failed", people_error=f"{error.message} {error.remedy}".strip())
            delete_pull(self.landing, pulled)
            return
        shown = [
            FoundSchool(
                sourced_id=school.sourced_id,
                name=school.name,
                identifier=school.identifier,
                is_school=school.type == "school",
                students=school.students,
                staff=school.staff,
            )
            for school in schools
            if school.type == "school" or school.students or school.staff
        ]
        if not self._save(people="ready", schools=shown, facts=facts, pulled=pulled):
            delete_pull(self.landing, pulled)

    def _pull(self, district: District, found: ParsedCredentials) -> str:
        """The pull's ID."""
        read: dict[str, int] = {}

        def progress(
            collection: str,
            rows: int,
            total: int | None,  # noqa: ARG001
            at_once: int,  # noqa: ARG001
            seconds_left: float | None,  # noqa: ARG001
            waiting: float | None,  # noqa: ARG001
        ) -> None:
            read[collection] = rows
            self._save(people_rows=sum(read.values()))

        raw = found.raw_connection(district.connection_id)
        pulled = pull_preview(district, raw, self.engine, self.landing, progress)
        return pulled.folder.path.rpartition("pull=")[2]

    def _save(self, **changed: Any) -> bool:
        return self.save(plain(**changed), None)


def _row(step: Step) -> dict[str, Any]:
    return {**plain_step(step), "title": step_title(step.name)}


def _renamed(district: District, name: str) -> District:
    return msgspec.structs.replace(district, district=name)
