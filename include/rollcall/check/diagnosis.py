"""Turns an error of the client into the known mistake behind it, if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from rollcall.check.requests import CheckSession
from rollcall.check.steps import Diagnosis, StepResult
from rollcall.oneroster.connection import OneRosterConnection, Version
from rollcall.oneroster.errors import (
    BaseUrlWrong,
    BlockedByFirewall,
    CredentialsRefused,
    OneRosterError,
    PermissionRefused,
)
from rollcall.oneroster.http import Budget


class Explainer:
    """Explains errors of one connection. It may send another request to be sure.

    :param version: the version in the district's settings; None if there are none.
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

    def no_token(self, error: OneRosterError) -> StepResult:
        """The Token URL refuses."""
        if isinstance(error, BlockedByFirewall):
            return self._blocked("Token URL", self._connection.auth_url)
        if isinstance(error, CredentialsRefused):
            return _diagnosed("wrong_secret", self._credentials(f"The Token URL at {_host(self._connection.auth_url)}"))
        if isinstance(error, PermissionRefused) and (found := self.another_version()):
            return found
        return unexplained(error)

    def no_service(self, error: OneRosterError, session: CheckSession) -> StepResult:
        """The Base URL refuses us, or has no OneRoster service."""
        if isinstance(error, BlockedByFirewall):
            return self._blocked("Base URL", self._connection.base_url)
        if isinstance(error, CredentialsRefused):
            return self._refused_signature(error)
        if isinstance(error, PermissionRefused):
            return self._other_signature() or _diagnosed("rostering_forbidden", {"what": "Orgs"})
        if not isinstance(error, BaseUrlWrong):
            return unexplained(error)
        if found := self.another_version():
            return found
        base_url = self._connection.base_url
        if session.shows_web_page(f"{base_url}/orgs?limit=1") or session.shows_web_page(base_url):
            return _diagnosed("login_page", {"title": self._connection.title})
        return unexplained(error)

    def no_collection(self, error: OneRosterError, collection: str) -> StepResult:
        """A collection is refused although the service is there."""
        if isinstance(error, BlockedByFirewall):
            return self._blocked("Base URL", self._connection.base_url)
        if error.code == "token_refused":
            return unexplained(error)
        if collection == "demographics" and isinstance(error, PermissionRefused | CredentialsRefused):
            return self.no_demographics("403" if isinstance(error, PermissionRefused) else "401")
        what = {"what": collection.replace("_", " ").capitalize(), "title": self._connection.title}
        if isinstance(error, PermissionRefused):
            return _diagnosed("rostering_forbidden", what)
        if isinstance(error, CredentialsRefused) and self._connection.auth == "oauth2":
            return _diagnosed("scope_refused", what)
        return unexplained(error)

    def no_demographics(self, status: str) -> StepResult:
        """They are wanted and not shared."""
        return _diagnosed("demographics_forbidden", {"status": status, "file": self._file})

    def another_version(self) -> StepResult | None:
        """Whether the other version of OneRoster answers at this connection."""
        if self._version is None or (self._connection.auth == "oauth1" and self._version == "1.1"):
            return None  # nobody chose; or it can be no other, for 1.2 knows OAuth 2 only
        other: Version = "1.1" if self._version == "1.2" else "1.2"
        try:
            with CheckSession(self._connection, other, budget=self._budget) as session:
                return self.version_is(other) if session.base_url else None
        except OneRosterError:
            return None

    def version_is(self, version: Version) -> StepResult:
        """Another version than the one chosen."""
        return _diagnosed(f"version_is_{version}", {"file": self._file})

    def _refused_signature(self, error: OneRosterError) -> StepResult:
        where = f"The Base URL at {_host(self._connection.base_url)}"
        if found := self._other_signature():
            return found
        if self._connection.auth == "oauth1" and "clock" not in error.message:
            return _diagnosed("wrong_key", self._credentials(where))
        if self._connection.auth == "oauth2" and error.code != "token_refused":
            return _diagnosed("scope_refused", {"what": "Orgs", "title": self._connection.title})
        return unexplained(error)

    def _other_signature(self) -> StepResult | None:
        """Whether the provider takes the signature method that an OAuth 1 connection does not use, tried once."""
        if self._connection.auth != "oauth1":
            return None
        signature = self._connection.other_signature
        signing = replace(self._connection, signature=signature)
        try:
            with CheckSession(signing, self._version or "1.1", budget=self._budget) as session:
                if not session.base_url:
                    return None
        except OneRosterError:
            return None
        values = {
            "where": f"The Base URL at {_host(self._connection.base_url)}",
            "refused": self._connection.signature,
            "signature": signature,
            "title": self._connection.title,
        }
        return _diagnosed("other_signature", values)

    def _blocked(self, label: str, url: str | None) -> StepResult:
        return _diagnosed("blocked_by_firewall", {"where": f"The {label} at {_host(url)}"})

    def _credentials(self, where: str) -> dict[str, Any]:
        id_label, secret_label = self._connection.id_label, self._connection.secret_label
        return {"id_label": id_label, "secret_label": secret_label, "where": where, "title": self._connection.title}


def unexplained(error: OneRosterError) -> StepResult:
    """The error's own words."""
    return StepResult(error.message, "fail", error.remedy)


def _diagnosed(mistake: str, values: Mapping[str, Any]) -> StepResult:
    return StepResult(diagnoses=(Diagnosis(mistake, values),))


def _host(url: str | None) -> str:
    return urlsplit(url or "").netloc
