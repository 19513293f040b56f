"""A connection's fields as entered, before anything is corrected: this is where mistakes are visible."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import parse_qs

from rollcall.check.steps import Diagnosis
from rollcall.display.dates import format_date
from rollcall.oneroster.addresses import split_url
from rollcall.oneroster.connection import OneRosterConnection, environment_fields

#: The beginning of all Client IDs and Consumer Keys of Infinite Campus, and of no secret.
CAMPUS_ID = "InfiniteCampus_"

#: The application, that is the district, in the path of a Base URL of Infinite Campus.
_APPLICATION = re.compile(r"/campus/api/oneroster/v1p[12]/([^/]+)/")

_SOON_DAYS = 30


@dataclass(frozen=True)
class RawConnection:
    """The four fields and the rest, as entered. Its `repr` shows none of them, because a secret may be in any field.

    :param source: where the connection was found, in words. Empty in Airflow, which has one store.
    :param conflict: a warning about another copy of the connection that is different.
    """

    conn_id: str
    host: str = field(repr=False)
    login: str = field(repr=False)
    password: str = field(repr=False)
    extra: Mapping[str, Any] = field(repr=False)
    source: str = ""
    conflict: str = ""

    @classmethod
    def from_environment(cls, conn_id: str) -> RawConnection:
        """From `AIRFLOW_CONN_<ID>`.

        :raises ConnectionInvalid: no such variable, or it is not valid.
        """
        return cls(conn_id, *environment_fields(conn_id))

    def connection(self) -> OneRosterConnection:
        """:raises ConnectionInvalid: if a field is not valid."""
        return OneRosterConnection.from_airflow_fields(self.conn_id, self.host, self.login, self.password, self.extra)

    def recognized(self, today: date) -> Iterator[Diagnosis]:
        """The mistakes that are visible without a request. Those that prevent a request come first."""
        yield from self._in_each_others_place()
        yield from self._line_breaks()
        yield from self._two_districts()
        yield from self._classic_key(today)

    @property
    def is_campus(self) -> bool:
        """Whether it is Infinite Campus, by its addresses or the form of its ID. The email to a district names its
        screens."""
        return "/campus/" in self.host or "/campus/" in self._auth_url or CAMPUS_ID in self.login + self.password

    @property
    def is_classic(self) -> bool:
        """Whether it is a Consumer Key (OAuth 1)."""
        return self.extra.get("auth") == "oauth1" or not (self._auth_url or self.extra.get("auth"))

    @property
    def client_id(self) -> str:
        """For the email to the district: empty unless it certainly is not a secret."""
        login = self.login.strip()
        certain = login.startswith(CAMPUS_ID) and not self.password.strip().startswith(CAMPUS_ID)
        return login if certain else ""

    @property
    def _auth_url(self) -> str:
        return str(self.extra.get("auth_url") or "")

    @property
    def _title(self) -> str:
        return f"the connection {self.conn_id}" if self.conn_id else "the connection"

    @property
    def labels(self) -> tuple[str, str]:
        """What the district's screen calls the ID and the secret."""
        return ("Consumer Key", "Consumer Secret") if self.is_classic else ("Client ID", "Client Secret")

    def _in_each_others_place(self) -> Iterator[Diagnosis]:
        id_label, secret_label = self.labels
        if self.password.strip().startswith(CAMPUS_ID) and not self.login.strip().startswith(CAMPUS_ID):
            values = {"id_label": id_label, "secret_label": secret_label, "title": self._title}
            yield Diagnosis("id_and_secret_swapped", values)
        if _is_token_url(self.host) and self._auth_url and not _is_token_url(self._auth_url):
            yield Diagnosis("urls_swapped", {"title": self._title})

    def _line_breaks(self) -> Iterator[Diagnosis]:
        for label, value in zip(self.labels, (self.login, self.password), strict=True):
            if re.search(r"[\r\n\u2028\u2029]", value):
                yield Diagnosis("line_break", {"label": label, "title": self._title})

    def _two_districts(self) -> Iterator[Diagnosis]:
        token_app = parse_qs(split_url(self._auth_url.strip()).query).get("appName", [""])[0]
        in_base_url = _APPLICATION.search(self.host)
        if token_app and in_base_url and token_app != in_base_url[1]:
            values = {"token_app": token_app, "base_app": in_base_url[1], "title": self._title}
            yield Diagnosis("two_districts", values)

    def _classic_key(self, today: date) -> Iterator[Diagnosis]:
        if not (self.is_classic and self.is_campus):
            return
        try:
            ends = date.fromisoformat(str(self.extra.get("expires_on") or "")[:10])
        except ValueError:
            yield Diagnosis("classic_key_undated", {"title": self._title})
            return
        days = (ends - today).days
        if days <= 0:
            yield Diagnosis("classic_key_ended", {"expires_on": format_date(ends)})
        elif days <= _SOON_DAYS:
            yield Diagnosis(
                "classic_key_ends_soon", {"expires_on": format_date(ends), "days": f"{days} day{'s' * (days > 1)}"}
            )


def _is_token_url(url: str) -> bool:
    return split_url(url.strip()).path.rstrip("/").endswith("/token") or "appName=" in url
