"""One request: who asks, about which district, with which rights. Each route gets a :class:`Page`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any
from urllib.parse import urlencode

import anyio.from_thread
import sqlalchemy as sa
from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rollcall.errors import ActionRequired
from rollcall.settings import District, find_district
from rollcall.warehouse import decisions
from rollcall.warehouse.session import warehouse_snapshot, warehouse_transaction
from rollcall.web import rendering
from rollcall.web.access import Access, ApiAnswer, AuditEntry, Right, User
from rollcall.web.engines import engine_of

_DISTRICT_ID = re.compile(r"[a-z][a-z0-9_]*")


#: The tabs of a district: key, label, path, and the right that opens it.
TABS = (
    ("overview", "Overview", "", Right.READ),
    ("changes", "Changes", "/changes", Right.EDIT),
    ("left_out", "Left out", "/left-out", Right.EDIT),
    ("holds", "Holds", "/holds", Right.EDIT),
    ("person", "Why not here?", "/person", Right.EDIT),
    ("history", "History", "/history", Right.EDIT),
    ("settings", "Settings", "/settings", Right.EDIT),
)


class NotSignedIn(Exception):
    """There is no signed-in user."""


@dataclass
class Page:
    """A request with its user.

    :param district_id: of the path; empty on pages about all districts.
    :param form: what a POST sent; empty for a GET.
    """

    request: Request
    access: Access
    user: User
    district_id: str = ""
    form: FormData = field(default_factory=FormData)
    _rights: dict[tuple[str, Right], bool] = field(default_factory=dict)
    _decided: list[AuditEntry] = field(default_factory=list)

    @cached_property
    def district(self) -> District:
        """The district of the path, from its file.

        :raises ActionRequired: `district_unknown`, `district_file`.
        """
        return find_district(self.district_id)

    @property
    def dag_id(self) -> str:
        return f"roster_{self.district_id}"

    @cached_property
    def engine(self) -> sa.Engine:
        return engine_of(self.access.warehouse())

    @cached_property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def tabs(self) -> list[tuple[str, str, str]]:
        """The tabs of the district that the user may open: key, label, path."""
        return [
            (key, label, f"/districts/{self.district_id}{path}") for key, label, path, right in TABS if self.may(right)
        ]

    def may(self, right: Right) -> bool:
        """Whether the user has this right to the page's district. Templates give its text.

        Airflow is asked once per request: the tabs alone ask seven times, and an auth manager may ask another server.
        """
        right = Right(right)
        if right is Right.SIGNED_IN:
            return True
        key = (self.district_id, right)
        if key not in self._rights:
            connection = self._connection_id() if right is Right.SECRETS else ""
            self._rights[key] = self.access.permits(self.user, right, dag_id=self.dag_id, connection_id=connection)
        return self._rights[key]

    def _connection_id(self) -> str:
        try:
            return self.district.connection_id
        except ActionRequired:
            return f"oneroster_{self.district_id}"

    def text(self, name: str) -> str:
        """A field of the form as text, without spaces around it. Empty if it is missing or a file."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Every value of a field that can be sent more than once."""
        return [value.strip() for value in self.form.getlist(name) if isinstance(value, str) and value.strip()]

    def number(self) -> int:
        """Which page of a long list the address wants; 1 if it does not say a number of a sensible size."""
        text = self.request.query_params.get("page", "")
        return max(int(text), 1) if text.isascii() and text.isdecimal() and len(text) < 7 else 1

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """One fixed state of the warehouse, for reading."""
        with warehouse_snapshot(self.engine, "reading", district=self.district_id) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A transaction in the warehouse. It commits at the end, and then Airflow's audit log gets what was decided.

        Not before: what is rolled back did not happen, and one database must not wait for the other.
        """
        self._decided.clear()
        with warehouse_transaction(self.engine, "page", district=self.district_id) as connection:
            yield connection
        if self._decided:
            self.access.audit(self.user, tuple(self._decided))

    def decide(
        self,
        connection: sa.Connection,
        action: str,
        *,
        subject: str = "",
        reason: str = "",
        before: Any = None,
        after: Any = None,
    ) -> None:
        """Record a change in `roster_ops.decisions` and, when the transaction commits, in Airflow's audit log.

        :param connection: of :meth:`transaction`.
        :param action: in snake_case, such as `sites_saved`.
        :param subject: what it is about, by ID.
        :param before: values before the change, without secrets.
        """
        decisions.record(
            connection,
            self.district_id,
            action,
            by=self.user.get_name(),
            subject=subject,
            reason=reason,
            before=before,
            after=after,
        )
        details = {"district": self.district_id, "subject": subject}
        self._decided.append(AuditEntry(f"rosters.{action}", self.dag_id if self.district_id else "", details))

    def airflow(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> ApiAnswer:
        """Call Airflow's REST API as the user. For routes that are plain functions."""
        return anyio.from_thread.run(self.access.airflow, self.request, method, path, body)

    def url(self, path: str, **query: Any) -> str:
        """A URL of this page, wherever Airflow is mounted.

        :param path: such as `/districts/maple`. Never put a name of a person into a path or query.
        """
        values = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{self.request.scope.get('root_path', '')}{path}{'?' + urlencode(values) if values else ''}"

    def render(self, template: str, status_code: int = 200, **values: Any) -> Response:
        """A page. Answer a form that has a mistake with 422."""
        return HTMLResponse(rendering.render(template, self.request, self.now, page=self, **values), status_code)

    def download(self, content: str | bytes, name: str, kind: str) -> Response:
        """A file to save. `name` is made of IDs only."""
        return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    def redirect(self, path: str, *, notice: str = "", **query: Any) -> Response:
        """Where a form goes when it is done.

        :param notice: a code of :data:`rollcall.web.rendering.NOTICES`, shown on the next page.
        """
        return RedirectResponse(self.url(path, notice=notice, **query), 303)


async def open_page(request: Request) -> Page:
    """The page of a request.

    :raises NotSignedIn: without a valid session or token.
    """
    access: Access = request.app.state.access
    user = await access.user(request)
    if user is None:
        raise NotSignedIn
    district = str(request.path_params.get("district", ""))
    if "district" in request.path_params and not _DISTRICT_ID.fullmatch(district):
        raise HTTPException(404)
    form = await request.form(max_files=5, max_fields=20_000) if request.method == "POST" else FormData()
    return Page(request, access, user, district, form)


#: The parameter of every route: `def show(page: Opened) -> Response`.
Opened = Annotated[Page, Depends(open_page)]


def _requires(right: Right) -> Any:
    def check(page: Opened) -> None:
        if not page.may(right):
            raise HTTPException(403, f"This needs a user who may {right.value}.")

    return Depends(check)


class PageRouter(APIRouter):
    """Routes that declare the right they require. It is checked before the route runs."""

    def page(self, path: str, *, right: Right) -> Any:
        """A page to look at (GET). It changes nothing."""
        return self.get(path, dependencies=[_requires(right)], openapi_extra={"right": right}, response_model=None)

    def action(self, path: str, *, right: Right) -> Any:
        """What a form does (POST). Answer with a redirect, or with the page and what is wrong with it."""
        return self.post(path, dependencies=[_requires(right)], openapi_extra={"right": right}, response_model=None)
