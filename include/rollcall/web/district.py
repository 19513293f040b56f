"""A district: its state and its published roster."""

from __future__ import annotations

from starlette.responses import Response

from rollcall.status.status import statuses
from rollcall.web.access import Right
from rollcall.web.page import Opened, PageRouter

router = PageRouter()


@router.page("/districts/{district}", right=Right.READ)
def show(page: Opened) -> Response:
    with page.snapshot() as connection:
        (status,) = statuses(connection, [page.district])
    return page.render("district.html", status=status)
