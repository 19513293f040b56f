"""An Airflow connection in, a OneRoster client out. `rollcall.oneroster` holds what the client can do."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from rollcall.check.connections import quick_check
from rollcall.check.pasted import Pasted
from rollcall.oneroster import OneRosterClient, OneRosterConnection
from rollcall.oneroster.backoff import Budget
from rollcall.oneroster.connection import Version
from rollcall.oneroster.errors import ConnectionInvalid


class OneRosterHook(BaseHook):
    """Connects to the OneRoster service of a district's student information system.

    :param oneroster_conn_id: the Airflow connection, of type `oneroster`.
    """

    conn_name_attr = "oneroster_conn_id"
    default_conn_name = "oneroster_default"
    conn_type = "oneroster"
    hook_name = "OneRoster"

    def __init__(self, oneroster_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.oneroster_conn_id = oneroster_conn_id

    def connection(self) -> OneRosterConnection:
        """The connection's fields, checked.

        :raises ConnectionInvalid: there is no such connection, or its fields make no usable one.
        """
        return self.pasted().connection()

    def pasted(self) -> Pasted:
        """The connection's fields as somebody entered them.

        :raises ConnectionInvalid: `connection_missing`.
        """
        conn_id = self.oneroster_conn_id
        try:
            fields = self.get_connection(conn_id)
        except AirflowNotFoundException:
            raise ConnectionInvalid(
                "connection_missing",
                f"There is no connection {conn_id}.",
                remedy=f"Add it in Airflow under Admin > Connections: connection id {conn_id}, type OneRoster.",
            ) from None
        return Pasted(conn_id, fields.host or "", fields.login or "", fields.password or "", fields.extra_dejson)

    def get_conn(
        self,
        *,
        version: Version = "1.2",
        page_size: int = 5000,
        concurrency: int = 5,
        demographics: bool = False,
        budget: Budget | None = None,
    ) -> OneRosterClient:
        """A client; nothing is sent before it is read from.

        :param version: of the service the district shares.
        :param page_size: rows asked for per page.
        :param concurrency: requests at once, token requests included.
        :param demographics: whether they will be read, which takes a scope of its own.
        :param budget: asked for leave before each request; left out, it is `concurrency` in this process.
        """
        return OneRosterClient(
            self.connection(),
            version,
            page_size=page_size,
            concurrency=concurrency,
            demographics=demographics,
            budget=budget,
        )

    def test_connection(self) -> tuple[bool, str]:
        """Whether the district's service answers, and which; on failure what is wrong and who can put it right."""
        return quick_check(self.pasted)
