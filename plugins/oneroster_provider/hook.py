"""A thin door: an Airflow connection in, a OneRoster client out. What the client can do lies in `include.oneroster`."""

from __future__ import annotations

from airflow.sdk import BaseHook

from include.oneroster import OneRosterClient, OneRosterConnection, OneRosterError, Retry
from include.oneroster.connection import Version
from include.oneroster.introduction import introduce_either

#: A person waits for the Test button: one more try, and less time for it.
_IMPATIENT = Retry(attempts=2, first_wait=0.5, patience=5)
_SOON = (5.0, 20.0)


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

        :raises ConnectionInvalid: if they make no usable connection.
        """
        fields = self.get_connection(self.oneroster_conn_id)
        return OneRosterConnection.from_airflow_fields(
            self.oneroster_conn_id, fields.host, fields.login, fields.password, fields.extra_dejson
        )

    def get_conn(
        self,
        *,
        version: Version = "1.2",
        page_size: int = 5000,
        concurrency: int = 5,
        demographics: bool = False,
    ) -> OneRosterClient:
        """A client; nothing is sent before it is read from.

        :param version: of the service the district shares.
        :param page_size: rows asked for per page.
        :param concurrency: requests at once, token requests included.
        :param demographics: whether they will be read, which takes a scope of its own.
        """
        return OneRosterClient(
            self.connection(), version, page_size=page_size, concurrency=concurrency, demographics=demographics
        )

    def test_connection(self) -> tuple[bool, str]:
        """Whether the district's service answers, and which; on failure what is wrong and who can put it right."""
        try:
            connection = self.connection()
            found = introduce_either(
                connection, lambda version: OneRosterClient(connection, version, timeout=_SOON, retry=_IMPATIENT)
            )
        except OneRosterError as error:
            return False, str(error)
        return True, str(found)
