"""Links from a district's tasks to the page "Rosters". The task writes them when it ends; they contain IDs only."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf


def page_url(path: str = "/") -> str:
    """A URL of the page, by the address that Airflow is configured with."""
    base: str = conf.get("api", "base_url", fallback="") or ""
    return f"{base.rstrip('/')}/rosters{path}"


class _DistrictLink(BaseOperatorLink):
    path = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        return page_url(f"/districts/{ti_key.dag_id.removeprefix('roster_')}{self.path}")


class ChangesLink(_DistrictLink):
    name = "Changes"
    path = "/changes"


class LeftOutLink(_DistrictLink):
    name = "Left out"
    path = "/left-out"


class HoldsLink(_DistrictLink):
    name = "Holds"
    path = "/holds"


ROSTER_LINKS = (ChangesLink(), LeftOutLink(), HoldsLink())
