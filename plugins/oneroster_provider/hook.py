"""Turns an Airflow connection into a OneRoster client. The client itself is in `rollcall.oneroster`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from rollcall.check.connections import quick_check
from rollcall.check.raw_connection import RawConnection
from rollcall.oneroster import OneRosterClient, OneRosterConnection
from rollcall.oneroster.connection import Version
from rollcall.oneroster.errors import ConnectionInvalid
from rollcall.oneroster.http import Budget


class OneRosterHook(BaseHook):
    """Connects to the OneRoster service of a district's student information system.

    :param oneroster_conn_id: ID of an Airflow connection of type `oneroster`.
    """

    conn_name_attr = "oneroster_conn_id"
    default_conn_name = "oneroster_default"
    conn_type = "oneroster"
    hook_name = "OneRoster"

    def __init__(self, oneroster_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.oneroster_conn_id = oneroster_conn_id

    def connection(self) -> OneRosterConnection:
        """The checked connection.

        :raises ConnectionInvalid: if there is no such connection or a field is not valid.
        """
        return self.raw_connection().connection()

    def raw_connection(self) -> RawConnection:
        """The connection's fields as entered.

        :raises ConnectionInvalid: `connection_missing`.
        """
        conn_id = self.oneroster_conn_id
        try:
            fields = self.get_connection(conn_id)
        except AirflowNotFoundException:
            raise ConnectionInvalid(
                "connection_missing",
                f"Connection {conn_id} not found.",
                remedy=f"Add it in Airflow under Admin > Connections: connection ID {conn_id}, type OneRoster.",
            ) from None
        return RawConnection(conn_id, fields.host or "", fields.login or "", fields.password or "", fields.extra_dejson)

    def get_conn(
        self,
        *,
        version: Version = "1.2",
        page_size: int = 5000,
        concurrency: int = 5,
        demographics: bool = False,
        budget: Budget | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> OneRosterClient:
        """A client. It sends no request until the first read.

        :param version: the OneRoster version of the district's service.
        :param page_size: rows per page.
        :param concurrency: maximum simultaneous requests, including token requests.
        :param demographics: request the extra scope that demographics need.
        :param budget: grants each request. By default, `concurrency` applies in this process only.
        :param limits: the bounds on what the provider may send (`rollcall.oneroster.limits.Limits`).
        """
        return OneRosterClient(
            self.connection(),
            version,
            page_size=page_size,
            concurrency=concurrency,
            demographics=demographics,
            budget=budget,
            limits=limits,
        )

    def test_connection(self) -> tuple[bool, str]:
        """Whether the district's service answers, and which one. On failure: what is wrong and who can fix it.

        Airflow tests a copy under a random ID. Nobody knows that ID, so no message names it.
        """
        return quick_check(lambda: replace(self.raw_connection(), conn_id=""))
