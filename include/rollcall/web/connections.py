"""A district's connection, through Airflow's REST API as the user: Airflow checks the rights and writes its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rollcall.check.raw_connection import RawConnection
from rollcall.errors import ActionRequired
from rollcall.web.page import Page


def existing_connection(page: Page, conn_id: str) -> Mapping[str, Any] | None:
    """The connection as Airflow's API shows it, without its secret. None if there is none."""
    answer = page.airflow("GET", f"/connections/{quote(conn_id, safe='')}")
    return answer.content if answer.ok else None


def store_connection(page: Page, raw: RawConnection, *, may_replace: bool) -> None:
    """Create or overwrite the connection. With port 0, because Airflow's Test button refuses one without a port.

    :raises ActionRequired: `connection_exists` if it may not be overwritten; `airflow_refused`.
    """
    body = {
        "connection_id": raw.conn_id,
        "conn_type": "oneroster",
        "host": raw.host,
        "login": raw.login,
        "password": raw.password,
        "port": 0,
        "extra": json.dumps(dict(raw.extra)),
    }
    answer = page.airflow("POST", "/connections", body)
    if answer.status == 409:
        if not may_replace:
            raise ActionRequired(
                "connection_exists",
                f"Airflow already has a connection {raw.conn_id}.",
                remedy="Confirm that it is replaced, or choose another district ID.",
            )
        answer = page.airflow("PATCH", f"/connections/{quote(raw.conn_id, safe='')}", body)
    if not answer.ok:
        raise ActionRequired(
            "airflow_refused",
            f"Airflow did not store the connection {raw.conn_id} ({answer.status}). {answer.detail}".strip(),
            remedy="Nothing was saved. Correct the connection, or ask an admin of Airflow.",
        )
