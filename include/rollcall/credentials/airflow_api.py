"""Airflow's REST API as the launcher uses it: tokens, health, settings, runs. Airflow itself is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import requests

from rollcall.errors import RollcallError

#: Seconds to connect, so that a wrong address is reported at once, and seconds for one call. The first call of an API
#: server is slow on two busy cores.
_TIMEOUT = (3.0, 30.0)

#: States in which a DAG run does not change any more.
ENDED = ("success", "failed")


def loopback_session() -> requests.Session:
    """For requests to what runs here; a proxy named in the environment is not for them."""
    session = requests.Session()
    session.trust_env = False
    return session


class AirflowApi:
    """A client for one API server with the simple auth manager.

    :param url: the server's base URL, without a path.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._user = user
        self._password = password
        self._token = ""
        self._session = loopback_session()

    def token(self) -> str:
        """A new access token (24 hours).

        :raises RollcallError: `airflow_login_refused`, `airflow_unreachable`.
        """
        answer = self._request("POST", "/auth/token", {"username": self._user, "password": self._password})
        if answer.status_code != requests.codes.created:
            raise RollcallError("airflow_login_refused", f"Airflow refused {self._user!r} ({answer.status_code}).")
        return str(answer.json()["access_token"])

    def health(self) -> dict[str, dict[str, str | None]]:
        """Status and last heartbeat of metadatabase, scheduler, triggerer and dag_processor; needs no token.

        :raises RollcallError: `airflow_unreachable`, as every call here, while the server does not answer.
        """
        return self._json(self._request("GET", "/api/v2/monitor/health"))

    def version(self) -> str:
        """Airflow's version.

        :raises RollcallError: also `airflow_login_refused`, for the user and password are checked first.
        """
        return str(self._get("/version")["version"])

    def has_provider(self, package: str) -> bool:
        """Whether a provider package is installed there."""
        found: list[dict[str, Any]] = self._get("/providers?limit=1000")["providers"]
        return any(provider["package_name"] == package for provider in found)

    def overwrite(self, kind: str, entities: Sequence[dict[str, object]]) -> None:
        """Create or overwrite `connections`, `pools` or `variables`; doing it twice changes nothing.

        :raises RollcallError: `airflow_settings_refused`; the text never repeats what was sent, it holds secrets.
        """
        if not entities:
            return
        action = {"action": "create", "action_on_existence": "overwrite", "entities": list(entities)}
        answer = self._call("PATCH", f"/{kind}", {"actions": [action]})
        if answer.status_code != requests.codes.ok or answer.json()["create"]["errors"]:
            raise RollcallError("airflow_settings_refused", f"Airflow did not take the {kind} ({answer.status_code}).")

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """The first hundred `connections`, `pools`, `variables`, `dags` or `importErrors`, as the API gives them."""
        key = {"importErrors": "import_errors"}.get(kind, kind)
        found: list[dict[str, Any]] = self._get(f"/{kind}?limit=100")[key]
        return found

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        """A connection, with `***` in place of its secrets; None if there is none."""
        answer = self._call("GET", f"/connections/{quote(conn_id, safe='')}")
        return None if answer.status_code == requests.codes.not_found else self._json(answer)

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """A DAG as the API gives it, None while it is not known."""
        answer = self._call("GET", f"/dags/{quote(dag_id, safe='')}")
        if answer.status_code == requests.codes.not_found:
            return None
        return self._json(answer)

    def trigger(self, dag_id: str, conf: dict[str, object] | None = None, *, note: str = "") -> str:
        """Start a run now, as a person would, and return its run id.

        :raises RollcallError: `airflow_api`, with Airflow's words, for example on parameters the DAG does not take.
        """
        body = {"logical_date": None, "conf": conf or {}, "note": note or None}
        return str(self._json(self._call("POST", f"/dags/{quote(dag_id, safe='')}/dagRuns", body))["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """A DAG's runs, newest first, at most a hundred."""
        path = f"/dags/{quote(dag_id, safe='')}/dagRuns?order_by=-run_after&limit=100"
        found: list[dict[str, Any]] = self._get(path)["dag_runs"]
        return found

    def run_state(self, dag_id: str, run_id: str) -> str:
        """`queued`, `running`, `success` or `failed`."""
        return str(self._get(_run_path(dag_id, run_id))["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """The state of each task of a run by task id; None for one that has not been looked at."""
        return {task["task_id"]: task["state"] for task in self.tasks(dag_id, run_id)}

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run as the API gives them, at most a hundred."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances?limit=100"
        found: list[dict[str, Any]] = self._get(path)["task_instances"]
        return found

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """What a try of a task wrote, one event a line."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}/logs/{try_number}"
        lines = self._get(path)["content"]
        return "\n".join(_told(line) for line in lines)

    def _get(self, path: str) -> dict[str, Any]:
        return self._json(self._call("GET", path))

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        answer = self._request(method, f"/api/v2{path}", body) if self._token else None
        if answer is None or answer.status_code == requests.codes.unauthorized:
            self._token = self.token()
            answer = self._request(method, f"/api/v2{path}", body)
        return answer

    def _request(self, method: str, path: str, body: object = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._session.request(method, self.url + path, json=body, headers=headers, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise RollcallError(
                "airflow_unreachable",
                f"Airflow does not answer at {self.url} ({type(error).__name__}).",
                remedy="Check ROLLCALL_AIRFLOW_URL, and check that Airflow's API server is running.",
            ) from None

    def _json(self, answer: requests.Response) -> dict[str, Any]:
        if not answer.ok:
            raise RollcallError(
                "airflow_api",
                f"Airflow answered {answer.status_code} to {answer.request.path_url}: {answer.text[:300]}",
            )
        found: dict[str, Any] = answer.json()
        return found


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def _told(line: object) -> str:
    """An entry of a task's log in words; of an exception its type and its sentence."""
    if not isinstance(line, dict):
        return str(line)
    raised = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or ()]
    return "\n".join([str(line.get("event", line)), *raised])
