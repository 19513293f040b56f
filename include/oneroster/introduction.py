"""Who answers at a connection: the first thing a person wants to know after pasting four fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from include.oneroster.client import OneRosterClient
from include.oneroster.connection import OneRosterConnection, Version
from include.oneroster.errors import BaseUrlWrong, OneRosterError, PermissionRefused


@dataclass(frozen=True)
class Introduction:
    """What a provider says of itself.

    :param base_url: where its rostering service answers.
    :param district: the district's name as the provider has it; empty if it names none.
    :param orgs: how many orgs it shares; `schools` of them are schools.
    """

    version: Version
    base_url: str
    district: str
    orgs: int
    schools: int

    def __str__(self) -> str:
        district = self.district or "a provider that names no district"
        return (
            f"Connected to {district}: OneRoster {self.version} at {self.base_url} answered with "
            f"{self.orgs} orgs, {self.schools} of them schools."
        )


def introduce(client: OneRosterClient) -> Introduction:
    """Sign in, find the service and read its orgs, of which a district has few.

    :raises OneRosterError: with what is wrong and who can put it right.
    """
    names: dict[str, str] = {}
    kinds: list[str] = []
    for page in client.pages("orgs"):
        for org in page.records:
            kind = str(org.type or "").lower()
            kinds.append(kind)
            names.setdefault(kind, str(org.name or ""))
    # 1.0 called districts `local`.
    district = names.get("district") or names.get("local") or ""
    return Introduction(client.version, client.base_url, district, len(kinds), kinds.count("school"))


def introduce_either(connection: OneRosterConnection, connect: Callable[[Version], OneRosterClient]) -> Introduction:
    """The same where the version is not known: the one the Base URL names, else 1.2 and then 1.1.

    :raises OneRosterError: of the version that came further.
    """
    failures: list[OneRosterError] = []
    for version in _versions(connection):
        try:
            with connect(version) as client:
                return introduce(client)
        except (BaseUrlWrong, PermissionRefused) as error:
            failures.append(error)
    raise next((error for error in failures if not isinstance(error, BaseUrlWrong)), failures[-1])


def _versions(connection: OneRosterConnection) -> tuple[Version, ...]:
    if connection.auth == "oauth1" or "v1p1" in connection.base_url:
        return ("1.1",)  # 1.2 knows OAuth 2 only
    return ("1.2",) if "v1p2" in connection.base_url else ("1.2", "1.1")
