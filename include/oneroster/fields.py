"""The fields of an Airflow connection of type `oneroster`, from its form or from the environment, made ours.

Airflow keeps what it has no field for in `extra`; an unknown key there is a setting that would silently not work, so it
is an error. Messages name keys, never values: a secret may stand in the wrong field.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from include.oneroster.errors import ConnectionInvalid

#: What people write for a key of ours; Airflow would mask `token_url`, which is why ours is called otherwise.
_MEANT = {"token_url": "auth_url", "tokenurl": "auth_url", "access_token_url": "auth_url"}

#: Airflow's own fields of a connection in JSON.
_AIRFLOW_FIELDS = ("conn_type", "host", "login", "password", "extra", "port", "schema", "description")

_EXAMPLE = (
    '{"conn_type": "oneroster", "host": "<Base URL>", "login": "<Client ID>", "password": "<Client Secret>", '
    '"extra": {"auth_url": "<Token URL>"}}'
)


def optional_fields(conn_id: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `extra` as arguments of a connection; what is empty, as a form leaves it, is left out.

    :raises ConnectionInvalid: unknown key, or a value of the wrong kind.
    """
    _refuse_unknown(conn_id, extra, _READERS, "its extra")
    made: dict[str, Any] = {}
    for key, value in extra.items():
        if value in (None, "", [], {}):
            continue
        try:
            made[key] = _READERS[key](value)
        except (ValueError, TypeError, msgspec.DecodeError):
            raise _invalid(conn_id, f"`{key}` in its extra is not what it should be", _EXPECTED[key]) from None
    return made


def environment_fields(conn_id: str) -> tuple[str, str, str, dict[str, Any]]:
    """Host, login, password and extra out of `AIRFLOW_CONN_<ID>`, in Airflow's JSON form.

    :raises ConnectionInvalid: no such variable, no JSON, another type of connection, unknown keys.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    given = os.environ.get(variable, "").strip()
    remedy = f"Set it like this: {variable}='{_EXAMPLE}'"
    if not given:
        raise ConnectionInvalid(
            "connection_missing", f"There is no connection {conn_id}: {variable} is not set.", remedy=remedy
        )
    try:
        fields = msgspec.json.decode(given, type=dict[str, Any])
        extra = _object(fields.get("extra") or {})
    except (ValueError, TypeError, msgspec.DecodeError):
        raise _invalid(conn_id, f"{variable} is not a connection in Airflow's JSON form", remedy) from None
    _refuse_unknown(conn_id, fields, _AIRFLOW_FIELDS, variable)
    if fields.get("conn_type", "oneroster") != "oneroster":
        raise _invalid(conn_id, f"{variable} is not of type `oneroster`", remedy)
    host, login, password = (str(fields.get(name) or "") for name in ("host", "login", "password"))
    return host, login, password, extra


def _refuse_unknown(conn_id: str, given: Iterable[str], valid: Iterable[str], where: str) -> None:
    valid = list(valid)
    for key in given:
        if key not in valid:
            near = difflib.get_close_matches(key.lower(), valid, 1, 0.4)
            meant = _MEANT.get(key.lower()) if "auth_url" in valid else None
            remedy = f"Did you mean `{meant or near[0]}`?" if meant or near else f"Valid are {', '.join(valid)}."
            raise _invalid(conn_id, f"{where} has the unknown key `{key}`", remedy)


def _invalid(conn_id: str, what: str, remedy: str) -> ConnectionInvalid:
    return ConnectionInvalid("connection_invalid", f"The connection {conn_id} is not usable: {what}.", remedy=remedy)


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _words(value: Any) -> tuple[str, ...]:
    """A list, or one text with spaces or commas between, as a form gives it."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_word, value))


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = msgspec.json.decode(value)
    if not isinstance(value, dict):
        raise TypeError
    return value


def _headers(value: Any) -> dict[str, str]:
    return {name: _word(content) for name, content in _object(value).items()}


_READERS: dict[str, Callable[[Any], Any]] = {
    "auth_url": _word,
    "auth": _word,
    "scopes": _words,
    "client_auth": _word,
    "signature": _word,
    "headers": _headers,
    "secret_headers": _headers,
    "expires_on": lambda value: date.fromisoformat(_word(value)[:10]),
}

_EXPECTED: dict[str, str] = {
    "auth_url": "It is the Token URL, a text.",
    "auth": "It is oauth2, oauth1 or bearer.",
    "scopes": "It is a list of texts.",
    "client_auth": "It is basic or body.",
    "signature": "It is HMAC-SHA256 or HMAC-SHA1.",
    "headers": 'It is an object of texts, {"X-Name": "value"}.',
    "secret_headers": 'It is an object of texts, {"X-Name": "value"}.',
    "expires_on": "It is a date, YYYY-MM-DD.",
}
