"""What it takes to reach one district's provider, as a value that checks itself.

The fields are those a district reads off its screen (Client ID, Client Secret, Token URL, Base URL; or Consumer Key,
Consumer Secret, OneRoster URL), and they arrive pasted: with spaces, line breaks, in each other's places.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from rollcall.oneroster.errors import CONNECTION_SCREEN, ConnectionInvalid

# The fields of an Airflow connection of type `oneroster`, from its form or from the environment, made ours.
#
# Airflow keeps what it has no field for in `extra`; an unknown key there is a setting that would silently not work, so
# it is an error. Messages name keys, never values: a secret may stand in the wrong field.

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
    _refuse_unknown(conn_id, extra, _PARSERS, "its extra")
    made: dict[str, Any] = {}
    for key, value in extra.items():
        if value in (None, "", [], {}):
            continue
        try:
            made[key] = _PARSERS[key](value)
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


_PARSERS: dict[str, Callable[[Any], Any]] = {
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


AuthKind = Literal["oauth2", "oauth1", "bearer"]
ClientAuth = Literal["basic", "body"]
Signature = Literal["HMAC-SHA256", "HMAC-SHA1"]
Version = Literal["1.1", "1.2"]

#: What comes along when a person copies from a web page or a document. A space inside a secret may be meant.
_IN_URLS = re.compile(r"[\s\u00ad\u200b-\u200d\u2060\ufeff]+")
_IN_SECRETS = re.compile(r"^\s+|\s+$|[\r\n\t\v\f\u00ad\u200b-\u200d\u2028\u2029\u2060\ufeff]+")


@dataclass(frozen=True)
class OneRosterConnection:
    """A provider's address and our credentials there.

    :param base_url: as the district's screen shows it, with or without the service's own path.
    :param client_id: Client ID (OAuth 2) or Consumer Key (OAuth 1); empty for a bearer token.
    :param secret: Client Secret, Consumer Secret, or the bearer token itself.
    :param auth_url: the Token URL (OAuth 2).
    :param auth: how we sign in; left out, it is OAuth 2 with a Token URL and OAuth 1 without.
    :param scopes: OAuth 2 scopes; none means the least that the version needs.
    :param client_auth: where id and secret stand in the token request; the other way is tried if this one is refused.
    :param signature: of OAuth 1 requests.
    :param headers: sent along with every request to the Base URL's host, and to no other.
    :param secret_headers: the same, kept out of logs and forms.
    :param expires_on: the day the credentials end, where the provider has one (Infinite Campus 1.1: a year).
    :param conn_id: the connection's name, for messages.
    :raises ConnectionInvalid: if a field is missing, malformed, in another's place, or would go unencrypted.
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
    conn_id: str = ""

    def __post_init__(self) -> None:
        self._set("base_url", _IN_URLS.sub("", self.base_url).rstrip("/"))
        self._set("auth_url", _IN_URLS.sub("", self.auth_url or "") or None)
        self._set("client_id", _IN_SECRETS.sub("", self.client_id))
        self._set("secret", _IN_SECRETS.sub("", self.secret).strip())
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
        """How messages name it."""
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

    @property
    def expired(self) -> bool:
        return self.expires_on is not None and self.expires_on <= date.today()

    def _set(self, name: str, value: str | None) -> None:
        object.__setattr__(self, name, value)

    def _check_choices(self) -> None:
        for name, kind in (("auth", AuthKind), ("client_auth", ClientAuth), ("signature", Signature)):
            if getattr(self, name) not in get_args(kind):
                raise self._invalid(f"`{name}` is none of {', '.join(get_args(kind))}", "Use one of these.")

    def _check_base_url(self) -> None:
        if not self.base_url:
            raise self._invalid(
                "it has no Base URL", f"Copy it from {CONNECTION_SCREEN}; in Airflow it is the field Base URL."
            )
        url = self._check_url("Base URL", self.base_url)
        if url.path.endswith("/token") or url.query:
            raise self._invalid(
                "the Base URL looks like a Token URL",
                f"The Base URL has no `?…` and does not end in /token; both stand on {CONNECTION_SCREEN}.",
            )

    def _check_auth_url(self) -> None:
        if self.auth_url is None:
            if self.auth == "oauth2":
                raise self._invalid("OAuth 2 needs a Token URL (`auth_url`)", f"Copy it from {CONNECTION_SCREEN}.")
            return
        url = self._check_url("Token URL", self.auth_url)
        if url.path.rstrip("/").endswith("/campus/oauth2/token") and not parse_qs(url.query).get("appName"):
            raise self._invalid(
                "the Token URL ends before `?appName=…`, which Infinite Campus needs to know the district",
                f"Copy the whole Token URL from {CONNECTION_SCREEN}; it ends like /campus/oauth2/token?appName=maple.",
            )

    def _check_url(self, label: str, value: str) -> SplitResult:
        try:
            url = urlsplit(value)
            host, _ = url.hostname, url.port  # port raises if it is no number
        except ValueError:
            host, url = None, urlsplit("")
        if url.scheme not in ("http", "https") or not host:
            raise self._invalid(
                f"the {label} is no address", f"It begins with https://; copy it from {CONNECTION_SCREEN}."
            )
        if url.username or url.password or url.fragment:
            raise self._invalid(
                f"the {label} holds a user, a password or a `#`", "Id and secret belong in their own fields."
            )
        if url.scheme == "http" and not _is_loopback(host):
            raise self._invalid(f"the {label} begins with http://: TLS required outside loopback", "Use https://.")
        return url

    def _check_secrets(self) -> None:
        if not self.client_id and self.auth != "bearer":
            raise self._invalid(f"it has no {self.id_label}", f"Copy it from {CONNECTION_SCREEN}.")
        if not self.secret:
            raise self._invalid(f"it has no {self.secret_label}", f"Copy it from {CONNECTION_SCREEN}.")
        for name, value in (*self.headers.items(), *self.secret_headers.items()):
            if name.lower() == "authorization":
                raise self._invalid(
                    "`Authorization` is among its headers", "It is made from the secret; a fixed one is auth `bearer`."
                )
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not _fits_a_header(value):
                raise self._invalid("a header's name or value holds what no header may", "Paste it again.")
        if self.auth == "bearer" and not _fits_a_header(self.secret):
            raise self._invalid("the bearer token holds what no header may", "Paste it again.")

    def _invalid(self, what: str, remedy: str) -> ConnectionInvalid:
        message = f"T{self.title[1:]} is not usable: {what}."
        return ConnectionInvalid("connection_invalid", message, remedy=remedy)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable()
