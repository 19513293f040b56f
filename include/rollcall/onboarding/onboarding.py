"""From what was recognised to a district that is checked, described and connected; or to nothing at all."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from rollcall.check.connections import Recorded, check_and_record
from rollcall.check.raw_connection import RawConnection
from rollcall.check.steps import CheckReport, School
from rollcall.credentials import storage
from rollcall.errors import ActionRequired, RollcallError
from rollcall.onboarding import district_file
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.columns import columns
from rollcall.oneroster.connection import Signature
from rollcall.oneroster.errors import OneRosterError
from rollcall.settings import District, districts_folder, load_district
from rollcall.warehouse.lease import HostLease

# How many students and teachers each school has, where the check has not counted them.
#
# A check counts by lists of schools, two requests each, and for few schools only; not every provider has such lists.
# One reading of the users costs fewer requests than that. Nobody's record is kept: of each page only the roles are
# looked at.

_COUNTED = {"student": "students", "teacher": "teachers"}


def with_head_counts(
    schools: Sequence[School], district: District, pasted: RawConnection, engine: sa.Engine | None
) -> tuple[School, ...]:
    """The schools with their head-counts; as they came where they are counted already, or cannot be.

    :param engine: of the warehouse, which shares out the host's requests; None for none.
    """
    if all(school.students is not None for school in schools):
        return tuple(schools)
    try:
        found = _counted(district, pasted, engine)
    except OneRosterError:  # a kindness; whoever decides sees the numbers after the first pull
        return tuple(schools)
    return tuple(
        dataclasses.replace(
            school,
            **{field: found[role, school.sourced_id] for role, field in _COUNTED.items()},  # type: ignore[arg-type]
        )
        for school in schools
    )


def _counted(
    district: District, pasted: RawConnection, engine: sa.Engine | None
) -> Counter[tuple[str | None, str | None]]:
    """By role and org, one request at a time."""
    options = {**district.client_options(), "concurrency": 1, "demographics": False}
    with ExitStack() as opened:
        lease = opened.enter_context(HostLease(engine.url, district)) if engine is not None else None
        client = opened.enter_context(OneRosterClient(pasted.connection(), budget=lease, **options))
        reader = client.pages("users")
        people: Counter[tuple[str | None, str | None]] = Counter()
        attempt = None
        for page in reader:
            if page.attempt != attempt:  # the reading began anew
                attempt, people = page.attempt, Counter()
            roles = columns("users", page.records)["user_roles"]
            fields = zip(roles["user_sourced_id"], roles["role"], roles["org_sourced_id"], strict=True)
            people.update((role, org) for _, role, org in set(fields))
        return people


@dataclass(frozen=True)
class DistrictOptions:
    """What somebody says about the new district; empty is what the text, the provider or the defaults say.

    :param targets: the vendor's sites, id to name.
    :param own_sites: every school is its own site.
    """

    name: str = ""
    version: Literal["1.1", "1.2", ""] = ""
    usernames: str = ""
    demographics: bool = False
    timezone: str = ""
    targets: Mapping[str, str] = field(default_factory=dict)
    own_sites: bool = False


@dataclass(frozen=True)
class Onboarded:
    """What was done.

    :param path: of the district's file.
    :param is_new: whether the file was not there before.
    :param undecided: schools in it that wait for a decision.
    :param stored: where the connection is; empty: nowhere yet, `command` stores it.
    :param shell_command: where Airflow has the connection and this environment has not: the command that changes that.
    :param signature: the OAuth 1 signature the connection is stored with, where it is not the usual one.
    :param not_stored: why an Airflow that was named did not take the connection.
    """

    path: Path
    is_new: bool
    undecided: int
    stored: str = ""
    not_stored: str = ""
    command: str = ""
    shell_command: str = ""
    signature: str = ""


class Onboarding:
    """One district on its way in.

    :param replace: the district may be there already: its connection is exchanged, and of its file the version alone.
    :raises ActionRequired: `district_exists`; `district_setting` for an id or a wish that no district's file may have.
    """

    def __init__(self, district: str, options: DistrictOptions, *, replace: bool = False) -> None:
        self._id = district
        self._options = options
        self.path = districts_folder() / f"{district}.yaml"
        self._before = load_district(self.path) if self.path.is_file() else None
        if self._before is not None and not replace:
            raise district_file.exists(self.path)
        self._described("1.2", "")  # before anything is asked

    def check(self, found: ParsedCredentials, engine: sa.Engine | None) -> tuple[District, ParsedCredentials, Recorded]:
        """Check the connection as it would be. Where nothing says which version it is, the one that answers; where
        signatures of SHA-256 are refused, with those of SHA-1.

        :param engine: of the warehouse, which keeps the provider's profile if the check passes; None for none.
        :returns: the district and the connection as they are to be written, and the check of them.
        """
        version = self._options.version or found.version
        district = self._described(version or "1.2", found.name)
        recorded = self._recorded(district, found, engine)
        if not self._options.version and (other := _answering_version(recorded.checked)):
            district = self._described(other, found.name)
            recorded = self._recorded(district, found, engine)
        if signature := _accepted_signature(recorded.checked):
            found = replace(found, signature=signature)
            recorded = self._recorded(district, found, engine)
        org = recorded.checked.district_org
        if self._before is None and not self._options.name and org is not None and org.name:
            district = msgspec.structs.replace(district, name=org.name)
        return district, found, recorded

    def write(
        self, district: District, found: ParsedCredentials, checked: CheckReport, engine: sa.Engine | None, today: date
    ) -> Onboarded:
        """Store the connection, then the file: a file without a connection would run tonight and fail."""
        pasted = found.pasted(district.connection_id)
        stored, not_stored = "", ""
        try:
            stored = storage.store(pasted)
        except RollcallError as error:
            not_stored = str(error)
        options = self._options
        if self._before is None:
            text = district_file.new_file(
                district,
                () if options.own_sites else with_head_counts(checked.schools, district, pasted, engine),
                today=today,
                targets=options.targets,
                timezone=options.timezone,
            )
            district_file.write_new(self.path, text)
        else:
            text = self.path.read_text(encoding="utf-8")
            district_file.write_over(self.path, district_file.with_version(text, district))
        return Onboarded(
            path=self.path,
            is_new=self._before is None,
            undecided=len(checked.schools) if self._before is None and not options.own_sites else 0,
            stored=stored,
            not_stored=not_stored,
            command="" if stored else storage.command_for(self._id, pasted),
            shell_command=storage.shell_command_for(self._id, pasted) if stored else "",
            signature=found.signature,
        )

    def _described(self, version: str, name: str) -> District:
        """The district as its file will describe it."""
        options = self._options
        if self._before is not None:
            return msgspec.structs.replace(self._before, version=version)
        asked: dict[str, Any] = {
            "district": self._id,
            "name": options.name or name or self._id.replace("_", " ").title(),
            "version": version,
            "usernames": options.usernames or "email",
            "demographics": options.demographics,
        }
        asked |= {"schedule": {"timezone": options.timezone}} if options.timezone else {}
        asked |= {"sites": {"targets": dict(options.targets)}} if options.targets else {}
        try:
            return msgspec.convert(asked, District)
        except msgspec.ValidationError as error:
            raise ActionRequired("district_setting", f"No district can be described so: {error}.") from None

    def _recorded(self, district: District, found: ParsedCredentials, engine: sa.Engine | None) -> Recorded:
        pasted = found.pasted(district.connection_id)
        return check_and_record(district, lambda: pasted, engine, count_people=True, keep_failure=False)


def _accepted_signature(checked: CheckReport) -> Signature | None:
    """The signature a failed check found to be accepted in place of the one that was tried."""
    seen = (diagnosis for step in checked.failed for diagnosis in step.diagnoses)
    found = next((diagnosis for diagnosis in seen if diagnosis.mistake == "other_signature"), None)
    return found.values["signature"] if found else None


def _answering_version(checked: CheckReport) -> Literal["1.1", "1.2", ""]:
    """The version a failed check found in place of the one that was tried."""
    seen = {diagnosis.mistake for step in checked.failed for diagnosis in step.diagnoses}
    for version in ("1.1", "1.2"):
        if f"version_is_{version}" in seen:
            return version
    return ""
