"""What the page needs from Airflow, as an interface: the signed-in user, rights, the audit log, and the REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import sqlalchemy as sa
from starlette.requests import Request

from rollcall.check.raw_connection import RawConnection


class Right(StrEnum):
    """What a route requires of the signed-in user. Each includes the ones above it.

    READ: may read the district's DAG. EDIT: may edit that DAG; needed for people's names and for every change.
    SECRETS: may also edit the district's connection. ADD: may edit DAGs and create connections, for any district.
    """

    SIGNED_IN = "signed in"
    READ = "read the district"
    EDIT = "edit the district"
    SECRETS = "edit the district's connection"
    ADD = "add districts"


class User(Protocol):
    """A signed-in user of Airflow."""

    def get_name(self) -> str: ...


@dataclass(frozen=True)
class ApiAnswer:
    """An answer of Airflow's REST API.

    :param detail: Airflow's reason for a refusal. It is a sentence of Airflow's and contains nothing about people.
    """

    status: int
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def detail(self) -> str:
        detail = self.content.get("detail", "")
        return detail if isinstance(detail, str) else "Airflow does not accept these values."


@dataclass(frozen=True)
class AuditEntry:
    """An entry of Airflow's audit log.

    :param dag_id: empty for what is about no district.
    :param details: no data about people and no secret.
    """

    event: str
    dag_id: str
    details: Mapping[str, Any]


class Access(Protocol):
    """Airflow, as the page sees it. :mod:`oneroster_provider.rosters` implements it in the API server."""

    async def user(self, request: Request) -> User | None:
        """The signed-in user. None without a valid session or token."""

    def permits(self, user: User, right: Right, *, dag_id: str = "", connection_id: str = "") -> bool:
        """Whether the user has a right to a district, given by its DAG and its connection."""

    def readable(self, user: User, dag_ids: set[str]) -> set[str]:
        """Those of the DAGs that the user may read."""

    def login_url(self, request: Request) -> str:
        """Where to sign in and come back from."""

    def warehouse(self) -> sa.URL:
        """The warehouse of the connection `warehouse`."""

    async def airflow(
        self, request: Request, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> ApiAnswer:
        """Call Airflow's REST API as the signed-in user, so that Airflow checks the rights and writes its audit log.

        :param path: below `/api/v2`, such as `/dags/roster_maple/dagRuns`.
        """

    def encrypt(self, content: bytes) -> str:
        """Encrypt with Airflow's Fernet key.

        :raises ActionRequired: `no_fernet_key`.
        """

    def decrypt(self, text: str) -> bytes:
        """What `encrypt` made.

        :raises ActionRequired: `draft_unreadable` if the key is another one now.
        """

    def connection(self, conn_id: str) -> RawConnection | None:
        """A stored connection with its secret, to test it. None if there is none."""

    def parse_dag_file(self, path: str) -> None:
        """Ask the DAG processor to parse a DAG file next. If it cannot be asked, it parses the file in its own time.

        :param path: relative to the DAGs folder.
        """

    def audit(self, user: User, entries: Sequence[AuditEntry]) -> None:
        """Add entries to Airflow's audit log, together.

        It raises nothing: the change is already saved, and `roster_ops.decisions` has it. If Airflow's database does
        not take the entries now, they are written later.
        """
