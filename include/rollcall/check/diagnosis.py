"""An error of the client as the mistake it comes from, where it comes from one of those people make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from rollcall.check.requests import Asking
from rollcall.check.steps import Found, Recognised
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.errors import (
    BaseUrlWrong,
    BlockedByFirewall,
    CredentialsRefused,
    OneRosterError,
    PermissionRefused,
)
from rollcall.oneroster.http import Budget

#: What people call the collections.
TITLES = {
    "orgs": "orgs",
    "academic_sessions": "academic sessions",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
    "enrollments": "enrollments",
    "demographics": "demographics",
}


class Explainer:
    """Knows the connection, and may ask once more to be sure.

    :param version: the one that was chosen, where somebody chose.
    :param file: the district's YAML file, for remedies.
    """

    def __init__(
        self, connection: OneRosterConnection, version: Version | None, file: str, budget: Budget | None
    ) -> None:
        self._connection = connection
        self._version = version
        self._file = file
        self._budget = budget

    @property
    def title(self) -> str:
        return self._connection.title

    def no_token(self, error: OneRosterError) -> Found:
        """The Token URL refuses."""
        if isinstance(error, BlockedByFirewall):
            return self._blocked("Token URL", self._connection.auth_url)
        if isinstance(error, CredentialsRefused):
            return _found("wrong_secret", self._credentials(f"the Token URL at {_host(self._connection.auth_url)}"))
        if isinstance(error, PermissionRefused) and (found := self.another_version()):
            return found
        return as_said(error)

    def no_service(self, error: OneRosterError, asking: Asking) -> Found:
        """The Base URL refuses, or nothing of ours is there."""
        if isinstance(error, BlockedByFirewall):
            return self._blocked("Base URL", self._connection.base_url)
        if isinstance(error, CredentialsRefused):
            return self._refused_signature(error)
        if isinstance(error, PermissionRefused):
            return self._other_signature() or _found("rostering_forbidden", {"what": "Orgs"})
        if not isinstance(error, BaseUrlWrong):
            return as_said(error)
        if found := self.another_version():
            return found
        base_url = self._connection.base_url
        if asking.shows_web_page(f"{base_url}/orgs?limit=1") or asking.shows_web_page(base_url):
            return _found("login_page", {"title": self._connection.title})
        return as_said(error)

    def no_collection(self, error: OneRosterError, collection: str) -> Found:
        """A collection is refused although the service is there."""
        if isinstance(error, BlockedByFirewall):
            return self._blocked("Base URL", self._connection.base_url)
        if error.code == "token_refused":
            return as_said(error)
        if collection == "demographics" and isinstance(error, PermissionRefused | CredentialsRefused):
            return self.no_demographics("403" if isinstance(error, PermissionRefused) else "401")
        what = {"what": TITLES[collection].capitalize(), "title": self._connection.title}
        if isinstance(error, PermissionRefused):
            return _found("rostering_forbidden", what)
        if isinstance(error, CredentialsRefused) and self._connection.auth == "oauth2":
            return _found("scope_refused", what)
        return as_said(error)

    def no_demographics(self, status: str) -> Found:
        """They are wanted and not shared."""
        return _found("demographics_forbidden", {"status": status, "file": self._file})

    def another_version(self) -> Found | None:
        """Whether the other version of OneRoster answers at this connection."""
        if self._version is None or (self._connection.auth == "oauth1" and self._version == "1.1"):
            return None  # nobody chose; or it can be no other, for 1.2 knows OAuth 2 only
        other: Version = "1.1" if self._version == "1.2" else "1.2"
        try:
            with Asking(self._connection, other, budget=self._budget) as asking:
                return self.version_is(other) if asking.base_url else None
        except OneRosterError:
            return None

    def version_is(self, version: Version) -> Found:
        """Another version than the one chosen."""
        return _found(f"version_is_{version}", {"file": self._file})

    def _refused_signature(self, error: OneRosterError) -> Found:
        where = f"the Base URL at {_host(self._connection.base_url)}"
        if found := self._other_signature():
            return found
        if self._connection.auth == "oauth1" and "clock" not in error.message:
            return _found("wrong_key", self._credentials(where))
        if self._connection.auth == "oauth2" and error.code != "token_refused":
            return _found("scope_refused", {"what": "Orgs", "title": self._connection.title})
        return as_said(error)

    def _other_signature(self) -> Found | None:
        """Whether the provider takes the signature method that an OAuth 1 connection does not use, tried once."""
        if self._connection.auth != "oauth1":
            return None
        signature = self._connection.other_signature
        signing = replace(self._connection, signature=signature)
        try:
            with Asking(signing, self._version or "1.1", budget=self._budget) as asking:
                if not asking.base_url:
                    return None
        except OneRosterError:
            return None
        values = {
            "where": f"The Base URL at {_host(self._connection.base_url)}",
            "refused": self._connection.signature,
            "signature": signature,
            "title": self._connection.title,
        }
        return _found("other_signature", values)

    def _blocked(self, label: str, url: str | None) -> Found:
        return _found("blocked_by_firewall", {"where": f"The {label} at {_host(url)}"})

    def _credentials(self, where: str) -> dict[str, Any]:
        id_label, secret_label = self._connection.id_label, self._connection.secret_label
        return {"id_label": id_label, "secret_label": secret_label, "where": where, "title": self._connection.title}


def as_said(error: OneRosterError) -> Found:
    """The error's own words."""
    return Found(error.message, "fail", error.remedy)


def _found(mistake: str, values: Mapping[str, Any]) -> Found:
    return Found(recognised=(Recognised(mistake, values),))


def _host(url: str | None) -> str:
    return urlsplit(url or "").netloc
