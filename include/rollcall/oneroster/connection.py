"""The connection to one district's provider: a value that validates itself.

The fields are those on the district's screen (Client ID, Client Secret, Token URL, Base URL; or Consumer Key, Consumer
Secret, OneRoster URL). They are pasted, so they arrive with spaces and line breaks, or in the wrong field.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, parse_qs

import msgspec

from rollcall.oneroster.addresses import is_loopback_host, is_public, split_url
from rollcall.oneroster.errors import CONNECTION_SCREEN, ConnectionInvalid

# Airflow keeps fields it does not know in `extra`. An unknown key there is an error: the setting would silently not
# work. Messages name keys, never values, because a secret may be in the wrong field.

#: Common misspellings of our keys. Ours is not `token_url`, because Airflow would mask it.
_ALIASES = {"token_url": "auth_url", "tokenurl": "auth_url", "access_token_url": "auth_url"}

#: Airflow's own fields of a connection in JSON.
_AIRFLOW_FIELDS = ("conn_type", "host", "login", "password", "extra", "port", "schema", "description")

_EXAMPLE = (
    '{"conn_type": "oneroster", "host": "<Base URL>", "login": "<Client ID>", "password": "<Client Secret>", '
    '"extra": {"auth_url": "<Token URL>"}}'
)


def optional_fields(conn_id: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `extra` as arguments of a connection. Empty values, as forms leave them, are skipped.

    :raises ConnectionInvalid: an unknown key, or a value of the wrong type.
    """
    _refuse_unknown(conn_id, extra, _PARSERS, "its extra")
    fields: dict[str, Any] = {}
    for key, value in extra.items():
        if value in (None, "", [], {}):
            continue
        try:
            fields[key] = _PARSERS[key](value)
        except (ValueError, TypeError, KeyError, msgspec.DecodeError):
            raise _invalid(conn_id, f"`{key}` in its extra is invalid", _EXPECTED[key]) from None
    return fields


def environment_fields(conn_id: str) -> tuple[str, str, str, dict[str, Any]]:
    """Host, login, password, and extra from `AIRFLOW_CONN_<ID>`, in Airflow's JSON form.

    :raises ConnectionInvalid: the variable is missing or not JSON, or has another connection type or unknown keys.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = os.environ.get(variable, "").strip()
    remedy = f"Set it like this: {variable}='{_EXAMPLE}'"
    if not text:
        raise ConnectionInvalid(
            "connection_missing", f"Connection {conn_id} is missing: {variable} is not set.", remedy=remedy
        )
    try:
        fields = msgspec.json.decode(text, type=dict[str, Any])
        extra = _object(fields.get("extra") or {})
    except (ValueError, TypeError, msgspec.DecodeError):
        raise _invalid(conn_id, f"{variable} is not a connection in Airflow's JSON form", remedy) from None
    _refuse_unknown(conn_id, fields, _AIRFLOW_FIELDS, variable)
    if fields.get("conn_type", "oneroster") != "oneroster":
        raise _invalid(conn_id, f"{variable} is not of type `oneroster`", remedy)
    host, login, password = (str(fields.get(name) or "") for name in ("host", "login", "password"))
    return host, login, password, extra


def _refuse_unknown(conn_id: str, keys: Iterable[str], valid: Iterable[str], where: str) -> None:
    valid = list(valid)
    for key in keys:
        if key not in valid:
            near = difflib.get_close_matches(key.lower(), valid, 1, 0.4)
            alias = _ALIASES.get(key.lower()) if "auth_url" in valid else None
            remedy = f"Did you mean `{alias or near[0]}`?" if alias or near else f"Valid keys: {', '.join(valid)}."
            raise _invalid(conn_id, f"{where} has the unknown key `{key}`", remedy)


def _invalid(conn_id: str, problem: str, remedy: str) -> ConnectionInvalid:
    name = f"The connection {conn_id}".rstrip()
    return ConnectionInvalid("connection_invalid", f"{name} is invalid: {problem}.", remedy=remedy)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _flag(value: Any) -> bool:
    """A boolean, or its name, as forms send it."""
    if isinstance(value, str):
        return {"true": True, "false": False}[value.strip().lower()]
    if not isinstance(value, bool):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    """A list, or a text separated by spaces or commas, as forms send it."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = msgspec.json.decode(value)
    if not isinstance(value, dict):
        raise TypeError
    return value


def _headers(value: Any) -> dict[str, str]:
    return {name: _text(content) for name, content in _object(value).items()}


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "auth_url": _text,
    "auth": _text,
    "scopes": _texts,
    "client_auth": _text,
    "signature": _text,
    "headers": _headers,
    "secret_headers": _headers,
    "expires_on": lambda value: date.fromisoformat(_text(value)[:10]),
    "allow_private": _flag,
}

_EXPECTED: dict[str, str] = {
    "auth_url": "Expected: the Token URL, a text.",
    "auth": "Expected: oauth2, oauth1, or bearer.",
    "scopes": "Expected: a list of texts.",
    "client_auth": "Expected: basic or body.",
    "signature": "Expected: HMAC-SHA256 or HMAC-SHA1.",
    "headers": 'Expected: an object of texts, {"X-Name": "value"}.',
    "secret_headers": 'Expected: an object of texts, {"X-Name": "value"}.',
    "expires_on": "Expected: a date, YYYY-MM-DD.",
    "allow_private": "Expected: true or false.",
}


AuthKind = Literal["oauth2", "oauth1", "bearer"]
ClientAuth = Literal["basic", "body"]
Signature = Literal["HMAC-SHA256", "HMAC-SHA1"]
Version = Literal["1.1", "1.2"]

#: Characters that come along when copying from a web page or a document. A space inside a secret may be intended.
_REMOVED_FROM_URLS = re.compile(r"[\s\u00ad\u200b-\u200d\u2060\ufeff]+")
_REMOVED_FROM_SECRETS = re.compile(r"^\s+|\s+$|[\r\n\t\v\f\u00ad\u200b-\u200d\u2028\u2029\u2060\ufeff]+")


@dataclass(frozen=True)
class OneRosterConnection:
    """A provider's address and our credentials there.

    :param base_url: as on the district's screen, with or without the service path.
    :param client_id: Client ID (OAuth 2) or Consumer Key (OAuth 1). Empty for a bearer token.
    :param secret: Client Secret, Consumer Secret, or the bearer token.
    :param auth_url: the Token URL (OAuth 2).
    :param auth: authentication method. Default: OAuth 2 with a Token URL, otherwise OAuth 1.
    :param scopes: OAuth 2 scopes. Default: the minimum for the version.
    :param client_auth: where ID and secret go in the token request. If refused, the other way is tried.
    :param signature: signature method of OAuth 1 requests.
    :param headers: sent with every request to the Base URL's host, and to no other host.
    :param secret_headers: the same, kept out of logs and forms.
    :param expires_on: the day the credentials expire, if they do (Infinite Campus 1.1: after a year).
    :param allow_private: whether the service may be at a private, link-local, or reserved address.
    :param conn_id: connection ID, for messages.
    :raises ConnectionInvalid: a field is missing, malformed, in the wrong place, or would be sent unencrypted.
    """

    base_url: str
    client_id: str
    secret: str = field(repr=False)
    auth_url: str | None = None
    auth: AuthKind | None = None
    scopes: tuple[str, ...] = ()
    client_auth: ClientAuth = "basic"
    signature: Signature = "HMAC-SHA256"
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_on: date | None = None
    allow_private: bool = False
    conn_id: str = ""

    def __post_init__(self) -> None:
        self._set("base_url", _REMOVED_FROM_URLS.sub("", self.base_url).rstrip("/"))
        self._set("auth_url", _REMOVED_FROM_URLS.sub("", self.auth_url or "") or None)
        self._set("client_id", _REMOVED_FROM_SECRETS.sub("", self.client_id))
        self._set("secret", _REMOVED_FROM_SECRETS.sub("", self.secret).strip())
        self._set("auth", self.auth or ("oauth2" if self.auth_url else "oauth1"))
        self._check_choices()
        self._check_base_url()
        self._check_auth_url()
        self._check_secrets()

    @classmethod
    def from_airflow_fields(
        cls, conn_id: str, host: str | None, login: str | None, password: str | None, extra: Mapping[str, Any]
    ) -> OneRosterConnection:
        """From the fields of an Airflow connection of type `oneroster`.

        :raises ConnectionInvalid: as the class does, and for unknown keys in `extra`.
        """
        return cls(host or "", login or "", password or "", conn_id=conn_id, **optional_fields(conn_id, extra))

    @classmethod
    def from_environment(cls, conn_id: str) -> OneRosterConnection:
        """From `AIRFLOW_CONN_<ID>` in Airflow's JSON form, for use without Airflow.

        :raises ConnectionInvalid: `connection_missing` when the variable is not set, else as above.
        """
        return cls.from_airflow_fields(conn_id, *environment_fields(conn_id))

    @property
    def title(self) -> str:
        """The connection's name in messages."""
        return f"the connection {self.conn_id}" if self.conn_id else "the connection"

    @property
    def id_label(self) -> str:
        return "Consumer Key" if self.auth == "oauth1" else "Client ID"

    @property
    def secret_label(self) -> str:
        return {"oauth1": "Consumer Secret", "bearer": "bearer token"}.get(str(self.auth), "Client Secret")

    @property
    def other_signature(self) -> Signature:
        """The signature method this connection does not use."""
        return "HMAC-SHA256" if self.signature == "HMAC-SHA1" else "HMAC-SHA1"

    def is_expired(self, today: date | None = None) -> bool:
        return self.expires_on is not None and self.expires_on <= (today or date.today())

    def _set(self, name: str, value: str | None) -> None:
        object.__setattr__(self, name, value)

    def _check_choices(self) -> None:
        for name, kind in (("auth", AuthKind), ("client_auth", ClientAuth), ("signature", Signature)):
            if getattr(self, name) not in get_args(kind):
                raise self._invalid(f"`{name}` is not one of {', '.join(get_args(kind))}", "Use one of these.")

    def _check_base_url(self) -> None:
        if not self.base_url:
            raise self._invalid(
                "it has no Base URL", f"Copy it from {CONNECTION_SCREEN}; in Airflow it is the field Base URL."
            )
        url = self._check_url("Base URL", self.base_url)
        if url.path.endswith("/token") or url.query:
            raise self._invalid(
                "the Base URL looks like a Token URL",
                f"The Base URL has no `?…` and does not end in /token. Find both URLs on {CONNECTION_SCREEN}.",
            )

    def _check_auth_url(self) -> None:
        if self.auth_url is None:
            if self.auth == "oauth2":
                raise self._invalid("OAuth 2 needs a Token URL (`auth_url`)", f"Copy it from {CONNECTION_SCREEN}.")
            return
        url = self._check_url("Token URL", self.auth_url)
        if url.path.rstrip("/").endswith("/campus/oauth2/token") and not parse_qs(url.query).get("appName"):
            raise self._invalid(
                "the Token URL ends before `?appName=…`, which tells Infinite Campus the district",
                f"Copy the whole Token URL from {CONNECTION_SCREEN}. It ends like /campus/oauth2/token?appName=maple.",
            )

    def _check_url(self, label: str, value: str) -> SplitResult:
        url = split_url(value)
        host = url.hostname
        if url.scheme not in ("http", "https") or not host:
            raise self._invalid(
                f"the {label} is not a URL", f"It begins with https://; copy it from {CONNECTION_SCREEN}."
            )
        if url.username or url.password or url.fragment:
            raise self._invalid(
                f"the {label} contains a user, a password, or a `#`",
                "Enter ID and secret in their own fields.",
            )
        if url.scheme == "http" and not is_loopback_host(host):
            raise self._invalid(f"the {label} begins with http://: TLS required outside loopback", "Use https://.")
        if not self.allow_private and _is_private(host):
            raise self._invalid(
                f"the {label} is at {host}, a private, link-local, or reserved address",
                'If the service is inside your network, set `"allow_private": true` in its extra.',
            )
        return url

    def _check_secrets(self) -> None:
        if not self.client_id and self.auth != "bearer":
            raise self._invalid(f"it has no {self.id_label}", f"Copy it from {CONNECTION_SCREEN}.")
        if not self.secret:
            raise self._invalid(f"it has no {self.secret_label}", f"Copy it from {CONNECTION_SCREEN}.")
        for name, value in (*self.headers.items(), *self.secret_headers.items()):
            if name.lower() == "authorization":
                raise self._invalid(
                    "its headers include `Authorization`",
                    "Rollcall builds it from the secret. For a fixed token, use auth `bearer`.",
                )
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not _is_header_value(value):
                raise self._invalid("a header has invalid characters in its name or value", "Paste it again.")
        if self.auth == "bearer" and not _is_header_value(self.secret):
            raise self._invalid("the bearer token has invalid characters", "Paste it again.")

    def _invalid(self, problem: str, remedy: str) -> ConnectionInvalid:
        message = f"T{self.title[1:]} is invalid: {problem}."
        return ConnectionInvalid("connection_invalid", message, remedy=remedy)


def _is_private(host: str) -> bool:
    """Whether a URL's host is an address that needs `allow_private`. Host names are checked when they are resolved."""
    try:
        return not (is_public(host) or is_loopback_host(host))
    except ValueError:
        return False


def _is_header_value(value: str) -> bool:
    return value.isascii() and value.isprintable()
