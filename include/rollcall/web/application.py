"""The application: its routes, what protects them, and how errors look."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from rollcall.errors import InternalError, RollcallError, to_rollcall_error
from rollcall.web import (
    add_district,
    district,
    districts,
    history,
    holds,
    people,
    rendering,
    settings_connection,
    settings_sections,
    sync,
)
from rollcall.web.access import Access
from rollcall.web.district_files import current_districts
from rollcall.web.page import NotSignedIn
from rollcall.web.safety import Safety

log = logging.getLogger(__name__)

#: Every module with routes.
ROUTERS = (
    districts.router,
    add_district.router,
    district.router,
    sync.router,
    people.router,
    holds.router,
    history.router,
    settings_sections.router,
    settings_connection.router,
)

_NOT_FOUND = ("district_unknown", "no_such_hold", "ambiguous_hold", "no_such_run", "draft_ended")


def create_app(access: Access) -> FastAPI:
    """The page, for one Airflow.

    :raises RuntimeError: if a route does not declare the right it requires.
    """
    app = FastAPI(title="Rosters", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_read_ahead)
    app.state.access = access
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    for router in ROUTERS:
        app.include_router(router)
    for route in app.routes:
        if isinstance(route, APIRoute) and "right" not in (route.openapi_extra or {}):
            raise RuntimeError(f"{route.path} does not declare a right")
    app.add_exception_handler(NotSignedIn, _sign_in)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RollcallError, _failed)
    app.add_middleware(Safety, unexpected=_unexpected)
    return app


@asynccontextmanager
async def _read_ahead(_app: FastAPI) -> AsyncIterator[None]:
    """While the server starts, does what the first person would otherwise wait for."""
    threading.Thread(target=_prepare, name="prepare pages", daemon=True).start()
    yield


def _prepare() -> None:
    """Read the district files, of which there may be 13,000, and take what is loaded out of garbage collection.

    Airflow and pandas are some hundred thousand objects, which stay. Each full collection went through them: one page
    in ten took 0.2 s longer.
    """
    current_districts()
    gc.collect()
    gc.freeze()


def _sign_in(request: Request, _error: Exception) -> Response:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(request.app.state.access.login_url(request), 303)
    return _error_page(request, 401, "Sign in to Airflow first.")


def _refused(request: Request, error: Exception) -> Response:
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", "")
    texts = {404: "There is no such page.", 405: "This page cannot be used like that."}
    return _error_page(request, status, texts.get(status, detail))


def _failed(request: Request, error: Exception) -> Response:
    if not isinstance(error, RollcallError) or isinstance(error, InternalError):
        return _unexpected(request, error)
    status = 404 if error.code in _NOT_FOUND else 503 if error.code.startswith("warehouse") else 400
    return _error_page(request, status, error.message, error.remedy, error.code)


def _unexpected(request: Request, error: Exception) -> Response:
    """An exception of another library quotes values in its text, so neither the page nor the log has it (rule 8)."""
    redacted = error if isinstance(error, RollcallError) else to_rollcall_error(error, "page")
    log.error("%s", redacted)
    return _error_page(request, 500, redacted.message, redacted.remedy, redacted.code)


def _error_page(request: Request, status: int, message: str, remedy: str = "", code: str = "") -> Response:
    values = {"status": status, "message": message, "remedy": remedy, "code": code}
    return HTMLResponse(rendering.render("error.html", request, None, page=None, **values), status)
