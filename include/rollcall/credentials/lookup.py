"""Finds a district's connection for a command, and compares the copies that the environment and Airflow have."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rollcall.check.raw_connection import RawConnection
from rollcall.credentials import storage
from rollcall.credentials.airflow_metadata import AirflowMetadata, names_airflow
from rollcall.errors import RollcallError
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.errors import ConnectionInvalid

#: The beginning of the variables of OneRoster connections, by their default IDs.
_PREFIX = "AIRFLOW_CONN_ONEROSTER_"

#: What Airflow's API returns instead of a secret.
_MASK = "***"


@dataclass(frozen=True)
class _Copy:
    """What Airflow has.

    :param raw: the connection; None if Airflow does not have it, or does not answer.
    :param where: the name of the place.
    :param has_secret: whether `raw` includes the secret.
    :param problem: why nothing is known.
    """

    raw: RawConnection | None
    where: str
    has_secret: bool = True
    problem: RollcallError | None = None


def find_connection(conn_id: str) -> RawConnection:
    """The connection, with its source and a warning if Airflow's copy differs.

    A variable `AIRFLOW_CONN_<ID>` takes precedence, as in Airflow.

    :raises ConnectionInvalid: `connection_missing` if neither has it; `secret_not_readable` if only Airflow's API has
        it; or if the variable is not valid.
    :raises RollcallError: no variable is set, and the named Airflow does not answer.
    """
    variable = variable_name(conn_id)
    stored = _from_airflow(conn_id)
    if os.environ.get(variable):
        own = RawConnection.from_environment(conn_id)
        return replace(own, source=variable, conflict=_conflict(own, stored, variable))
    if stored is None:
        raise _missing(conn_id, f"{variable} is not set, and the environment names no Airflow")
    if stored.problem is not None:
        raise stored.problem
    if stored.raw is None:
        raise _missing(conn_id, f"{variable} is not set, and {stored.where} does not have it")
    if not stored.has_secret:
        raise ConnectionInvalid(
            "secret_not_readable",
            f"{_capitalized(stored.where)} has the connection {conn_id}, but an API returns no secrets.",
            remedy=f"Run it in Airflow instead, or set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN and "
            f"AIRFLOW__CORE__FERNET_KEY to those of that Airflow, or set {variable}.",
        )
    return replace(stored.raw, source=stored.where)


def stored_extra(conn_id: str) -> Mapping[str, Any]:
    """The extra of the connection, to be kept when its credentials change: Airflow's copy, else the variable's.

    Empty if there is no such connection, or the named Airflow does not answer.

    :raises ConnectionInvalid: `secret_not_readable` if Airflow's API hides a part of it, and no variable has it.
    """
    variable = variable_name(conn_id)
    own: Mapping[str, Any] = {}
    if os.environ.get(variable):
        with suppress(RollcallError):
            own = RawConnection.from_environment(conn_id).extra
    stored = _from_airflow(conn_id)
    if stored is None or stored.raw is None:
        return own
    hidden = [key for key, value in stored.raw.extra.items() if f'"{_MASK}"' in json.dumps(value)]
    if lost := [key for key in hidden if key not in own]:
        raise ConnectionInvalid(
            "secret_not_readable",
            f"{_capitalized(stored.where)} hides values in the extra of {conn_id} ({', '.join(sorted(lost))}), so they "
            "would be lost.",
            remedy=f"Run it in Airflow instead, or set {variable}. Nothing was written.",
        )
    return {**stored.raw.extra, **{key: own[key] for key in hidden}}


def variable_name(conn_id: str) -> str:
    """The environment variable of a connection."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def differing_fields(one: RawConnection, other: RawConnection) -> list[str]:
    """The labels of the fields in which two connections differ. Only digests are compared."""
    mine, theirs = _fields(one), _fields(other)
    return [label for label, value in mine.items() if _digest(value) != _digest(theirs[label])]


def connections_of_client(raw: RawConnection) -> list[str]:
    """The IDs of the connections with the same Base URL and ID, in the environment and in Airflow's database.

    A connection or a database that cannot be read is not among them.
    """
    found: list[tuple[str, str]] = []
    for variable in os.environ:
        conn_id = variable.removeprefix("AIRFLOW_CONN_").lower()
        if variable.startswith(_PREFIX):
            with suppress(RollcallError):
                other = RawConnection.from_environment(conn_id)
                found += [(conn_id, other.host)] if other.login.strip() == raw.login.strip() else []
    with suppress(RollcallError):
        if metadata := AirflowMetadata.of_environment():
            found += metadata.of_client(raw.login.strip())
    return [conn_id for conn_id, host in found if _same_url(host, raw.host)]


def _same_url(one: str, other: str) -> bool:
    return one.strip().rstrip("/").casefold() == other.strip().rstrip("/").casefold()


def _from_airflow(conn_id: str) -> _Copy | None:
    """What the named Airflow has; None if the environment names none."""
    where = storage.AIRFLOW_METADATA
    try:
        if metadata := AirflowMetadata.of_environment():
            return _Copy(metadata.find(conn_id), where)
        if names_airflow():
            return _Copy(storage.read_by_command(conn_id), where)
        if os.environ.get(storage.AIRFLOW_URL):
            api = storage.airflow_api()
            where = storage.api_name(api)
            found = api.connection(conn_id)
            return _Copy(_raw(conn_id, found) if found else None, where, has_secret=False)
    except RollcallError as error:
        return _Copy(None, where, problem=error)
    return None


def _raw(conn_id: str, found: Mapping[str, Any]) -> RawConnection:
    """The API's answer. Fields that it masks are the mask."""
    try:
        extra = json.loads(found.get("extra") or "{}")
    except ValueError:
        extra = {}
    return RawConnection(
        conn_id, found.get("host") or "", found.get("login") or "", _MASK, extra if isinstance(extra, dict) else {}
    )


def _conflict(own: RawConnection, stored: _Copy | None, variable: str) -> str:
    """The warning about a copy in Airflow that is different, or could not be compared."""
    if stored is not None and stored.problem is not None:
        return f"{stored.problem.message} Its copy of the connection was not compared with {variable}."
    if stored is None or stored.raw is None:
        return ""
    known = own if stored.has_secret else _masked_like(own, stored.raw)
    fields = differing_fields(known, stored.raw)
    if not fields:
        return ""
    return (
        f"{variable} and {stored.where} differ in: {', '.join(fields)}. This command uses the variable. The nightly "
        f"runs use Airflow's copy. To use that one here too: unset {variable}"
    )


def _masked_like(own: RawConnection, masked: RawConnection) -> RawConnection:
    """The connection with the mask wherever the other has it, so that only readable fields are compared."""
    extra = {key: _MASK if masked.extra.get(key) == _MASK else value for key, value in own.extra.items()}
    return replace(own, password=_MASK, extra=extra)


def _fields(raw: RawConnection) -> dict[str, Any]:
    id_label, secret_label = raw.labels
    extra = {key: value for key, value in raw.extra.items() if value not in (None, "", [], {})}
    # OAuth 1 is the default without a Token URL, so naming it changes nothing
    extra = {key: value for key, value in extra.items() if (key, value) != ("auth", "oauth1")}
    return {
        "Base URL": raw.host.strip(),
        id_label: raw.login.strip(),
        secret_label: raw.password.strip(),
        "Token URL": str(extra.pop("auth_url", "")).strip(),
        "the other settings": extra,
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _missing(conn_id: str, why: str) -> ConnectionInvalid:
    district = conn_id.removeprefix("oneroster_")
    return ConnectionInvalid(
        "connection_missing",
        f"There is no connection {conn_id}: {why}.",
        remedy=f"Store the district's credentials: rollcall districts add {district} --replace mail.txt",
    )


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]


def connect(conn_id: str, say: Callable[[str], None]) -> OneRosterConnection:
    """The checked connection, after saying where it was found and whether another copy is different.

    :raises RollcallError: as `find_connection`; `ConnectionInvalid` if a field is not valid.
    """
    found = find_connection(conn_id)
    say(f"Connection {conn_id}: {found.source}")
    if found.conflict:
        say(f"Warning: {found.conflict}")
    return found.connection()
