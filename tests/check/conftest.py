"""Connections as people paste them, to the sandbox and to servers that answer one odd thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.check.examination import check
from rollcall.check.raw_connection import RawConnection
from rollcall.check.steps import CheckReport, Step
from rollcall.settings import District, ExtractSettings
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.oneroster.conftest import Provider, Script

#: 1.2 and OAuth 2; 1.1 and a Consumer Key; 1.1 and OAuth 2.
MAPLE = SandboxDistrict(app="maple", version="1.2", students=160, seed=5)
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=160, seed=6, auth="oauth1", demographics=True)
ASPEN = SandboxDistrict(app="aspen", version="1.1", students=40, seed=7)
DISTRICTS = {district.app: district for district in (MAPLE, CEDAR, ASPEN)}

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def _serving() -> Iterator[Sandbox]:
    with Sandbox(DISTRICTS.values()) as running:
        yield running


@pytest.fixture
def sandbox(_serving: Sandbox) -> Iterator[Sandbox]:
    """Three districts; what a test switches on is off again afterwards."""
    yield _serving
    for app in DISTRICTS:
        _serving.set_quirks(app, [])


@pytest.fixture
def settings() -> Callable[..., District]:
    """A district's settings, changed as a test says."""

    def make(app: str, **changed: Any) -> District:
        district = DISTRICTS[app]
        plain = {"district": app, "name": district.name, "version": district.version, "usernames": "email"}
        return District(**{**plain, "extract": ExtractSettings(page_size=1000), **changed})

    return make


@pytest.fixture
def paste(sandbox: Sandbox) -> Callable[..., RawConnection]:
    """A district's connection with some of its fields changed; `extra` is added to."""

    def make(app: str, *, extra: dict[str, Any] | None = None, **changed: Any) -> RawConnection:
        district = DISTRICTS[app]
        usual = {"auth_url": sandbox.token_url(app)} if district.auth == "oauth2" else {"auth": "oauth1"}
        fields: dict[str, Any] = {
            "conn_id": f"oneroster_{app}",
            "host": sandbox.base_url(app),
            "login": district.client_id,
            "password": district.client_secret,
            "extra": {**usual, **(extra or {})},
        }
        return RawConnection(**{**fields, **changed})

    return make


@pytest.fixture
def checked(settings: Callable[..., District], paste: Callable[..., RawConnection]) -> Callable[..., CheckReport]:
    """Checks a district as described and pasted."""

    def run(
        app: str,
        pasted: RawConnection | None = None,
        *,
        described: dict[str, Any] | None = None,
        **how: Any,
    ) -> CheckReport:
        given = pasted or paste(app)
        return check(settings(app, **(described or {})), lambda: given, now=lambda: NOON, **how)

    return run


@pytest.fixture
def provide() -> Iterator[Callable[[Script], Provider]]:
    """Servers whose every answer a test writes itself."""
    started: list[Provider] = []

    def start(script: Script, token: Script | None = None) -> Provider:
        started.append(Provider(script, token))
        return started[-1]

    yield start
    for provider in started:
        provider.stop()


def step(found: CheckReport, name: str) -> Step:
    """One of its steps."""
    [only] = [step for step in found.steps if step.name == name]
    return only
