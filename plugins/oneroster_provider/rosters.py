"""The page "Rosters" in Airflow's API server: who is signed in, what they may do, and Airflow's REST API for them."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import httpx
import sqlalchemy as sa
from airflow.api_fastapi.app import cached_app, get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from airflow.exceptions import AirflowNotFoundException
from airflow.models.connection import Connection
from airflow.models.crypto import get_fernet
from airflow.models.dag import DagModel
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagbundle import DagBundleModel
from airflow.models.log import Log
from airflow.utils.session import create_session
from cryptography.fernet import InvalidToken
from fastapi import FastAPI
from fastapi.security import HTTPAuthorizationCredentials
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rollcall.check.raw_connection import RawConnection
from rollcall.errors import ActionRequired
from rollcall.warehouse.session import url_of
from rollcall.web.access import ApiAnswer, AuditEntry, Right, User
from rollcall.web.application import create_app

log = logging.getLogger(__name__)

#: Seconds between the attempts to write entries that Airflow's database does not take. Each attempt itself waits 5 s
#: for a lock of SQLite.
AUDIT_WAITS = (1, 5, 15, 60, 300)


def create_rosters() -> FastAPI:
    """The application that the plugin mounts."""
    return create_app(AirflowAccess())


class AddSlash:
    """Leads `/rosters` to `/rosters/`. Airflow's own route for every other path would show its page "not found"."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        if scope["type"] == "http" and scope["path"] in ("/rosters", f"{root}/rosters"):
            await RedirectResponse(f"{root}/rosters/")(scope, receive, send)
            return
        await self._app(scope, receive, send)


class AirflowAccess:
    """:class:`rollcall.web.access.Access` for the Airflow of this process."""

    async def user(self, request: Request) -> User | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = HTTPAuthorizationCredentials(scheme=kind, credentials=token) if token else None
        try:
            user: User = await get_user(request, None, bearer)
        except HTTPException:
            return None
        return user

    def permits(self, user: User, right: Right, *, dag_id: str = "", connection_id: str = "") -> bool:
        manager = get_auth_manager()
        if right is Right.SIGNED_IN:
            return True
        if right is Right.ADD:
            may_edit = manager.is_authorized_dag(method="PUT", user=user)
            return bool(may_edit and manager.is_authorized_connection(method="POST", user=user))
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        method = "GET" if right is Right.READ else "PUT"
        if not manager.is_authorized_dag(method=method, details=details, user=user):
            return False
        if right is not Right.SECRETS:
            return True
        secret = ConnectionDetails(conn_id=connection_id, team_name=Connection.get_team_name(connection_id))
        return bool(manager.is_authorized_connection(method="PUT", details=secret, user=user))

    def readable(self, user: User, dag_ids: set[str]) -> set[str]:
        found: set[str] = get_auth_manager().filter_authorized_dag_ids(dag_ids=dag_ids, user=user, method="GET")
        return found

    def login_url(self, request: Request) -> str:
        root = request.scope.get("root_path", "").removesuffix("/rosters")
        return f"{root}/api/v2/auth/login?next={quote(str(request.url), safe='')}"

    def warehouse(self) -> sa.URL:
        return url_of(Connection.get_connection_from_secrets("warehouse"))

    async def airflow(
        self, request: Request, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> ApiAnswer:
        """The call stays in this process: no address, no proxy, and the caller's own token."""
        passed = {name: request.headers[name] for name in ("authorization", "cookie") if name in request.headers}
        answer = await self._client.request(method, f"/api/v2{path}", json=body, headers=passed)
        content = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        return ApiAnswer(answer.status_code, content if isinstance(content, dict) else {})

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=cached_app(), raise_app_exceptions=False)
        # One client for all users: a session cookie that Airflow renews for one must not go out with another's call.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        base = conf.get("api", "base_url") or "http://airflow"
        return httpx.AsyncClient(transport=transport, base_url=base, cookies=no_cookies)

    def encrypt(self, content: bytes) -> str:
        fernet = get_fernet()
        if not fernet.is_encrypted:
            raise ActionRequired(
                "no_fernet_key",
                "This Airflow has no Fernet key, so credentials cannot be kept safely.",
                remedy="Set AIRFLOW__CORE__FERNET_KEY for every Airflow process, then restart the API server.",
            )
        return fernet.encrypt(content).decode()

    def decrypt(self, text: str) -> bytes:
        try:
            return get_fernet().decrypt(text.encode())
        except InvalidToken:
            raise ActionRequired(
                "draft_unreadable",
                "Airflow's Fernet key has changed since the credentials were entered.",
                remedy="Enter them again.",
            ) from None

    def connection(self, conn_id: str) -> RawConnection | None:
        try:
            found = Connection.get_connection_from_secrets(conn_id)
        except AirflowNotFoundException:
            return None
        return RawConnection(conn_id, found.host or "", found.login or "", found.password or "", found.extra_dejson)

    def parse_dag_file(self, path: str) -> None:
        try:
            self._parse_next(path)
        except SQLAlchemyError as error:  # the district is saved; it only appears later
            log.warning("The DAG processor was not asked to parse %s next: %s", path, type(error).__name__)

    def _parse_next(self, path: str) -> None:
        with create_session() as session:
            known = select(DagModel.bundle_name, DagModel.relative_fileloc).where(
                (DagModel.relative_fileloc == path) | DagModel.relative_fileloc.endswith(f"/{path}", autoescape=True)
            )
            files = {(bundle, file) for bundle, file in session.execute(known) if bundle and file}
            if not files:  # no district's DAG is in this file yet
                files = {
                    (name, path) for name in session.scalars(select(DagBundleModel.name).where(DagBundleModel.active))
                }
            for bundle, file in files:
                with suppress(IntegrityError), session.begin_nested():  # the same request may still wait
                    session.add(DagPriorityParsingRequest(bundle, file))

    def audit(self, user: User, entries: Sequence[AuditEntry]) -> None:
        name, now = user.get_name(), datetime.now(UTC)
        if not _write_log(name, now, entries):
            threading.Thread(target=_write_log_later, args=(name, now, entries), name="audit log", daemon=True).start()


def _write_log(name: str, when: datetime, entries: Sequence[AuditEntry]) -> bool:
    """:returns: whether Airflow's database took the entries. SQLite has one writer at a time, and others wait 5 s."""
    rows = []
    for entry in entries:
        details = json.dumps(entry.details)
        row = Log(entry.event, owner=name, owner_display_name=name, dag_id=entry.dag_id or None, extra=details)
        row.dttm = when
        rows.append(row)
    try:
        with create_session(scoped=False) as session:
            session.add_all(rows)
    except SQLAlchemyError as error:
        events = ", ".join(entry.event for entry in entries)
        log.warning("Airflow's audit log did not take %s by %s: %s", events, name, type(error).__name__)
        return False
    return True


def _write_log_later(name: str, when: datetime, entries: Sequence[AuditEntry]) -> None:
    for seconds in AUDIT_WAITS:
        time.sleep(seconds)
        if _write_log(name, when, entries):
            return
    log.error("The audit log lacks %d entries by %s. roster_ops.decisions has them.", len(entries), name)
