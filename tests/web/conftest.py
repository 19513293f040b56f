"""The page inside a real Airflow API server, with users of every role, and a published district in a real warehouse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from starlette.testclient import TestClient

from rollcall_sandbox import Sandbox
from tests.conftest import Nights
from tests.web.draft_steps import BIRCH, CEDAR

#: A user of each role of Airflow's simple auth manager.
USERS = {"viewer": "vera", "user": "ursula", "op": "olive", "admin": "adam"}

ELM = """\
# The file of the tests
district: elm
name: Elm Unified
version: "1.2"
usernames: email
starts_on: 2026-11-01
schedule: {timezone: UTC}
"""

PEOPLE = [f"p{number:02}" for number in range(1, 31)]

#: A client with the rights of a role; None is a browser without a session.
Browse = Callable[[str | None], httpx.Client]


@pytest.fixture(scope="session")
def api_server(airflow_database: None) -> Iterator[object]:
    """Airflow's API server in this process, with the plugin from this checkout."""
    os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(f"{name}:{role}" for role, name in USERS.items())
    os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = "the tests' own secret, of sixty-four characters or a few more......"
    os.environ["AIRFLOW__API__BASE_URL"] = "http://testserver"
    os.environ["AIRFLOW__CORE__FERNET_KEY"] = Fernet.generate_key().decode()
    from airflow.api_fastapi.app import cached_app
    from airflow.models.crypto import get_fernet

    get_fernet.cache_clear()
    app = cached_app()
    with TestClient(app):
        yield app


@pytest.fixture
def empty_airflow(api_server: object) -> None:
    """Airflow's metadata without what other tests of this process left in it, and with the bundle of DAG files."""
    from airflow.api.common.delete_dag import delete_dag
    from airflow.models.connection import Connection
    from airflow.models.dag import DagModel
    from airflow.models.dagbag import DagPriorityParsingRequest
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag_id in session.scalars(sa.select(DagModel.dag_id)).all():
            delete_dag(dag_id, session=session)
        for kind in (Connection, DagPriorityParsingRequest, Log):
            session.execute(sa.delete(kind))
        session.merge(DagBundleModel(name="dags-folder"))


@pytest.fixture
def browse(
    empty_airflow: None, api_server: object, monkeypatch: pytest.MonkeyPatch, nights: Nights, tmp_path: Path
) -> Browse:
    """Makes clients. The warehouse is the test's own, and the district `elm` has a file."""
    folder = tmp_path / "districts"
    folder.mkdir()
    (folder / "elm.yaml").write_text(ELM)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder))
    monkeypatch.setenv("ROLLCALL_LANDING", nights.landing.url)
    url = nights.engine.url
    connection = {
        "conn_type": "postgres",
        "host": url.query.get("host") or url.host,
        "login": url.username,
        "schema": url.database,
        "port": url.port,
    }
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))

    def client(role: str | None = "admin") -> httpx.Client:
        made = TestClient(api_server, follow_redirects=False, headers={"sec-fetch-site": "same-origin"})  # type: ignore[arg-type]
        if role is not None:
            made.cookies.set("_token", token_of(role))
        return made

    yield client
    from rollcall.web.engines import engine_of

    engine_of(url_in_airflow()).dispose()


def token_of(role: str) -> str:
    """A session token of the user with this role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token: str = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=USERS[role], role=role.upper()))
    return token


@pytest.fixture
def held(nights: Nights, roster: Callable[..., dict]) -> str:
    """A third of the students is gone: the ID of a hold about removals."""
    nights.publish(roster(*PEOPLE))
    nights.publish(roster(*PEOPLE[:18]))
    nights.publish(roster(*PEOPLE[:18]))
    hold = nights.scalar("SELECT hold_id FROM roster_ops.holds WHERE status = 'open' AND collection = 'users'")
    assert hold
    return str(hold)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The provider of the districts that are added."""
    with Sandbox([BIRCH, CEDAR]) as running:
        yield running


def url_in_airflow():
    from oneroster_provider.rosters import AirflowAccess

    return AirflowAccess().warehouse()


@pytest.fixture
def districts_folder() -> Path:
    """The folder of the district files, as the page sees it."""
    return Path(os.environ["ROLLCALL_DISTRICTS"])
