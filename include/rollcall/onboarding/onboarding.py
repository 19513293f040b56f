"""From recognized credentials to a district that is checked, described, and connected; or to nothing at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from rollcall.check.connections import Recorded, check_and_record
from rollcall.check.raw_connection import RawConnection
from rollcall.check.steps import CheckReport, School, Watch
from rollcall.credentials import storage
from rollcall.credentials.lookup import differing_fields, stored_extra, variable_name
from rollcall.district_edits.file import DistrictFile, Edit, read_as
from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.zone import Landing
from rollcall.onboarding import district_file
from rollcall.onboarding.duplicates import name_warning, require_new_client, require_new_org
from rollcall.onboarding.preview_pull import pull_preview, with_head_counts
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.oneroster.connection import Signature
from rollcall.settings import District, Nights, districts_folder, load_district
from rollcall.settings.nights import starts_on_for_tonight


@dataclass(frozen=True)
class DistrictOptions:
    """What a person sets for a new district. Empty values come from the text, the provider, or the defaults.

    :param targets: the vendor's sites, ID to name.
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

    :param path: the district's file.
    :param is_new: whether the file did not exist before.
    :param first_night: when Airflow runs the district next; None if it is disabled.
    :param undecided: the number of schools without a decision.
    :param people: the number of people that were pulled for the first decisions; None if nothing was pulled.
    :param not_pulled: why nothing was pulled.
    :param stored: where the connection is. Empty: nowhere yet, and `command` stores it.
    :param not_stored: why an Airflow that was named did not take the connection.
    :param shell_command: the command that gives this shell a connection that only Airflow's API has.
    :param signature: the OAuth 1 signature the connection is stored with, if it is not the default.
    :param warnings: sentences.
    """

    path: Path
    is_new: bool
    first_night: datetime | None
    undecided: int
    people: int | None = None
    not_pulled: str = ""
    stored: str = ""
    not_stored: str = ""
    command: str = ""
    shell_command: str = ""
    signature: str = ""
    warnings: tuple[str, ...] = ()


class Onboarding:
    """One district that is being added.

    :param replace: the district may exist: its connection is replaced, and in its file only the version changes.
    :param keep: store the provider's profile if the check passes; False if the caller stores it later, with the file.
    :param watch: called after each step of the check.
    :raises ActionRequired: `district_exists`; `district_setting` for an ID or an option that is not valid;
        `district_file_readonly` if the file cannot be written, unless the caller writes it later.
    """

    def __init__(
        self,
        district: str,
        options: DistrictOptions,
        *,
        replace: bool = False,
        keep: bool = True,
        watch: Watch | None = None,
    ) -> None:
        self._id = district
        self._options = options
        self._keep = keep
        self._watch = watch
        self.path = districts_folder() / f"{district}.yaml"
        self._before = load_district(self.path) if self.path.is_file() else None
        if self._before is not None and not replace:
            raise district_file.exists(self.path, self._before)
        self._described("1.2", "")  # before any request
        if self._before is None and keep:
            district_file.require_writable(self.path)
        self._extra = stored_extra(self._before.connection_id) if self._before is not None else {}

    def check(self, found: ParsedCredentials, engine: sa.Engine | None) -> tuple[District, ParsedCredentials, Recorded]:
        """Check the connection as it would be stored.

        If nothing states the version, the one that responds counts; if SHA-256 signatures are refused, SHA-1.

        :param engine: the warehouse, which stores the provider's profile if the check passes. None for none.
        :returns: the district and the connection as they are to be written, and the check of them.
        :raises ActionRequired: `district_duplicate` if another district already has this connection.
        """
        version = self._options.version or found.version
        district = self._described(version or "1.2", found.name)
        require_new_client(district, found.raw_connection(district.connection_id))
        district, found, recorded = _check_until_accepted(
            district, found, partial(self._recorded, engine=engine), may_change_version=not self._options.version
        )
        org = recorded.checked.district_org
        if self._before is None and not self._options.name and org is not None and org.name:
            district = msgspec.structs.replace(district, name=org.name)
        return district, found, recorded

    def write(
        self,
        district: District,
        found: ParsedCredentials,
        checked: CheckReport,
        engine: sa.Engine | None,
        landing: Landing,
        now: datetime,
    ) -> Onboarded:
        """Pull schools and people for the first decisions, store the connection, then write the file.

        A file without a connection would run tonight and fail, so the file comes last.
        """
        raw = self._raw(district, found)
        people, not_pulled, schools = None, "", checked.schools
        if self._before is None:
            people, not_pulled, schools = _pull(district, raw, engine, landing, schools)
            edit = None
        else:
            edit = self._version_edit(district)
        stored, not_stored = "", ""
        try:
            stored = storage.store(raw)
        except RollcallError as error:
            not_stored = str(error)
        if self._before is None:
            self._write_new(district, schools, now)
        elif edit is not None:
            edit.write()
        written = load_district(self.path)
        is_undecided = self._before is None and not self._options.own_sites
        return Onboarded(
            path=self.path,
            is_new=self._before is None,
            first_night=Nights(written).next_night(now).begins if written.enabled else None,
            undecided=len(checked.schools) if is_undecided else 0,
            people=people,
            not_pulled=not_pulled,
            stored=stored,
            not_stored=not_stored,
            command="" if stored else storage.command_for(self._id, raw),
            shell_command=storage.shell_command_for(self._id, raw) if stored else "",
            signature=found.signature,
            warnings=tuple(filter(None, (name_warning(written), _other_copy(raw, is_stored=bool(stored))))),
        )

    def _version_edit(self, district: District) -> Edit | None:
        """The change of an existing file; None if it has this version already.

        :raises ActionRequired: `district_file_readonly`.
        """
        edit = DistrictFile.of(self._id).edited(lambda text: district_file.with_version(text, district))
        if edit.changes_nothing:
            return None
        district_file.require_writable(self.path)
        return edit

    def _write_new(self, district: District, schools: Sequence[School], now: datetime) -> None:
        """Write the file. `starts_on` depends on the schedule, which `_defaults.yaml` may set."""
        write = partial(
            district_file.new_file,
            district,
            () if self._options.own_sites else schools,
            added=now,
            targets=self._options.targets,
            timezone=self._options.timezone,
        )
        described = read_as(self.path, write(starts_on=now.date()))
        district_file.write_new(self.path, write(starts_on=starts_on_for_tonight(described, now)))

    def _described(self, version: str, name: str) -> District:
        """The district as its file will describe it."""
        options = self._options
        if self._before is not None:
            return msgspec.structs.replace(self._before, version=version)
        given: dict[str, Any] = {
            "district": self._id,
            "name": options.name or name or self._id.replace("_", " ").title(),
            "version": version,
            "usernames": options.usernames or "email",
            "demographics": options.demographics,
        }
        given |= {"schedule": {"timezone": options.timezone}} if options.timezone else {}
        given |= {"sites": {"targets": dict(options.targets)}} if options.targets else {}
        try:
            return msgspec.convert(given, District)
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at `")[0].rstrip(".")
            raise ActionRequired("district_setting", f"These settings are not valid: {reason}.") from None

    def _raw(self, district: District, found: ParsedCredentials) -> RawConnection:
        """The connection as it is checked and stored. That of an existing district keeps its other settings."""
        return merged_connection(district.connection_id, found, self._extra)

    def _recorded(self, district: District, found: ParsedCredentials, engine: sa.Engine | None) -> Recorded:
        raw = self._raw(district, found)
        return check_and_record(
            district,
            lambda: raw,
            engine,
            count_people=True,
            keep_failure=False,
            keep=self._keep,
            watch=self._watch,
            accept=lambda checked: require_new_org(district, checked, engine) if checked.passed else None,
        )


def merged_connection(conn_id: str, found: ParsedCredentials, extra: Mapping[str, Any]) -> RawConnection:
    """New credentials with the other settings of the connection they replace, such as headers.

    :param extra: of the connection that is replaced.
    """
    raw = found.raw_connection(conn_id)
    kept = {key: value for key, value in extra.items() if key not in ("auth_url", "auth", "signature", "expires_on")}
    return replace(raw, extra={**kept, **raw.extra})


def check_replacement(
    district: District, found: ParsedCredentials, extra: Mapping[str, Any], engine: sa.Engine, watch: Watch
) -> tuple[District, ParsedCredentials, Recorded]:
    """Check new credentials of an existing district. Nothing is stored.

    :param extra: the other settings of the connection that is replaced.
    :returns: as `Onboarding.check`.
    """

    def recorded(district: District, found: ParsedCredentials) -> Recorded:
        raw = merged_connection(district.connection_id, found, extra)
        return check_and_record(district, lambda: raw, engine, keep=False, watch=watch)

    return _check_until_accepted(district, found, recorded)


def _check_until_accepted(
    district: District,
    found: ParsedCredentials,
    check: Callable[[District, ParsedCredentials], Recorded],
    *,
    may_change_version: bool = True,
) -> tuple[District, ParsedCredentials, Recorded]:
    """Check again with the version and with the signature that the provider was found to accept."""
    recorded = check(district, found)
    if may_change_version and (other := answering_version(recorded.checked)):
        district = msgspec.structs.replace(district, version=other)
        recorded = check(district, found)
    if signature := accepted_signature(recorded.checked):
        found = replace(found, signature=signature)
        recorded = check(district, found)
    return district, found, recorded


def _pull(
    district: District,
    raw: RawConnection,
    engine: sa.Engine | None,
    landing: Landing,
    schools: tuple[School, ...],
) -> tuple[int | None, str, tuple[School, ...]]:
    """The number of people pulled, why there is none, and the schools with their head counts.

    A pull that fails is no reason not to add the district: its first night pulls again.
    """
    try:
        pulled = pull_preview(district, raw, engine, landing)
    except RollcallError as error:
        return None, str(error), schools
    return pulled.people().users.num_rows, "", with_head_counts(schools, pulled)


def _other_copy(raw: RawConnection, *, is_stored: bool) -> str:
    """A warning about a variable of this shell that hides the connection that was stored in Airflow."""
    variable = variable_name(raw.conn_id)
    if not is_stored or not os.environ.get(variable):
        return ""
    with suppress(RollcallError):
        if not differing_fields(RawConnection.from_environment(raw.conn_id), raw):
            return ""
    return (
        f"{variable} is set in this shell and differs from what is stored now. Commands in this shell use the "
        f"variable. To use the stored connection: unset {variable}"
    )


def accepted_signature(checked: CheckReport) -> Signature | None:
    """The signature that a failed check found to be accepted instead of the one it tried."""
    seen = (diagnosis for step in checked.failed for diagnosis in step.diagnoses)
    found = next((diagnosis for diagnosis in seen if diagnosis.mistake == "other_signature"), None)
    return found.values["signature"] if found else None


def answering_version(checked: CheckReport) -> Literal["1.1", "1.2", ""]:
    """The version that a failed check found instead of the one it tried."""
    seen = {diagnosis.mistake for step in checked.failed for diagnosis in step.diagnoses}
    for version in ("1.1", "1.2"):
        if f"version_is_{version}" in seen:
            return version
    return ""
