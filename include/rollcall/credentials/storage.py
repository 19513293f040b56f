"""Stores a district's connection: in Airflow if the environment names one, otherwise in the environment of a shell.

Airflow is reached through its REST API (`ROLLCALL_AIRFLOW_URL`, `ROLLCALL_AIRFLOW_USER`, `ROLLCALL_AIRFLOW_PASSWORD`),
or through its own command if the environment names its metadata database. A secret is never an argument of a program:
it is in the body of a request, or in a private file that is deleted at once.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from rollcall.check.raw_connection import RawConnection
from rollcall.credentials.airflow_api import AirflowApi
from rollcall.credentials.airflow_metadata import names_airflow
from rollcall.errors import ActionRequired, RollcallError
from rollcall.files.private import write_private

AIRFLOW_URL, _USER, _PASSWORD = "ROLLCALL_AIRFLOW_URL", "ROLLCALL_AIRFLOW_USER", "ROLLCALL_AIRFLOW_PASSWORD"
_METADATA = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"

#: The name of the place in messages.
AIRFLOW_METADATA = "Airflow's metadata database"

#: Seconds that Airflow's command may take. On two busy cores it needs ten to start.
_COMMAND_LIMIT = 120

REACHED_BY = f"{AIRFLOW_URL}, {_USER}, and {_PASSWORD}; or {_METADATA} where Airflow is installed"


def store(raw: RawConnection) -> str:
    """Create the connection in Airflow, or overwrite it.

    :returns: where it is stored, in words. Empty if the environment names no Airflow.
    :raises RollcallError: an Airflow is named and did not take it. The text contains nothing of the connection.
    """
    if os.environ.get(AIRFLOW_URL):
        return _through_api(raw)
    if names_airflow():
        return _through_command(raw)
    return ""


def as_json(raw: RawConnection) -> str:
    """Airflow's JSON form, which `AIRFLOW_CONN_<ID>` contains."""
    return json.dumps({**_fields(raw), "extra": dict(raw.extra)})


def export_line(raw: RawConnection) -> str:
    """What a shell evaluates to have the connection in its environment."""
    return f"export AIRFLOW_CONN_{raw.conn_id.upper()}={shlex.quote(as_json(raw))}"


def command_for(district: str, raw: RawConnection) -> str:
    """The command that stores the connection and asks for the secret. It does not include the secret."""
    options = {"--base-url": raw.host, "--client-id": raw.login}
    options |= {"--token-url": str(raw.extra["auth_url"])} if "auth_url" in raw.extra else {}
    options |= {"--signature": str(raw.extra["signature"])} if "signature" in raw.extra else {}
    options |= {"--expires-on": str(raw.extra["expires_on"])} if "expires_on" in raw.extra else {}
    given = " ".join(f"{name} {shlex.quote(value)}" for name, value in options.items())
    return f'eval "$(rollcall districts connect {shlex.quote(district)} {given})"'


def shell_command_for(district: str, raw: RawConnection) -> str:
    """The command that gives this shell a connection that only Airflow's API has; empty if it is not needed."""
    if names_airflow() or os.environ.get(f"AIRFLOW_CONN_{raw.conn_id.upper()}"):
        return ""
    return command_for(district, raw).replace("$(rollcall", f"$({AIRFLOW_URL}= {_METADATA}= AIRFLOW_HOME= rollcall", 1)


def _fields(raw: RawConnection) -> dict[str, object]:
    """Port 0, because the Test button of Airflow 3.3.2 refuses a connection without a port."""
    return {
        "conn_type": "oneroster",
        "host": raw.host,
        "login": raw.login,
        "password": raw.password,
        "port": 0,
    }


def airflow_api() -> AirflowApi:
    """The Airflow that the environment names.

    :raises ActionRequired: `airflow_unencrypted`, `airflow_login_missing`.
    """
    url = os.environ[AIRFLOW_URL].rstrip("/")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ActionRequired(
            "airflow_unencrypted",
            f"{AIRFLOW_URL} does not begin with https://: TLS is required outside loopback.",
            remedy="Use https://. Nothing was sent.",
        )
    user, password = os.environ.get(_USER, ""), os.environ.get(_PASSWORD, "")
    if not user or not password:
        raise ActionRequired(
            "airflow_login_missing", f"{AIRFLOW_URL} is set, but not {_USER} and {_PASSWORD}.", remedy="Set both."
        )
    return AirflowApi(url, user, password)


def api_name(api: AirflowApi) -> str:
    """The name of the place in messages."""
    return f"the Airflow at {urlsplit(api.url).netloc}"


def _through_api(raw: RawConnection) -> str:
    api = airflow_api()
    entity = {**_fields(raw), "connection_id": raw.conn_id, "extra": json.dumps(dict(raw.extra))}
    api.overwrite("connections", [entity])
    return f"connection {raw.conn_id} of {api_name(api)}"


def _through_command(raw: RawConnection) -> str:
    content = json.dumps({raw.conn_id: {**_fields(raw), "extra": json.dumps(dict(raw.extra))}})
    with tempfile.TemporaryDirectory(prefix="rollcall-") as folder:
        file = Path(folder, "connection.json")
        write_private(file, content.encode())
        done = _run_airflow("import", "--overwrite", str(file))
    if done.returncode != 0 or f"Imported connection {raw.conn_id}" not in done.stdout:
        raise _refused("import", f"ended with code {done.returncode} and did not import it")
    return f"connection {raw.conn_id} in {AIRFLOW_METADATA}"


def read_by_command(conn_id: str) -> RawConnection | None:
    """The connection as Airflow itself finds it, also in a secrets backend; None if there is none. Takes seconds.

    :raises RollcallError: `airflow_command`.
    """
    done = _run_airflow("get", conn_id, "--output", "json")
    if done.returncode != 0:
        if "Connection not found" in done.stdout + done.stderr:
            return None
        raise _refused("get", f"ended with code {done.returncode}")
    try:
        [fields] = json.loads(done.stdout[done.stdout.index("[{") :])
        extra = fields.get("extra_dejson") or {}
    except ValueError:
        raise _refused("get", "returned no connection") from None
    return RawConnection(
        conn_id, fields.get("host") or "", fields.get("login") or "", fields.get("password") or "", extra
    )


def _run_airflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow", "connections", *arguments]
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise _refused(arguments[0], f"did not finish within {_COMMAND_LIMIT} seconds") from None


def _refused(command: str, how: str) -> RollcallError:
    return RollcallError(
        "airflow_command",
        f"`airflow connections {command}` {how}.",
        remedy="Run `airflow db check`. The environment must be that of the Airflow you mean.",
    )
