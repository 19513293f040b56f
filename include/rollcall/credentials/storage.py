"""Where a district's connection goes: into Airflow where that is reachable, else into the environment of a shell.

Airflow is reached through its REST API (`ROLLCALL_AIRFLOW_URL`, `ROLLCALL_AIRFLOW_USER`, `ROLLCALL_AIRFLOW_PASSWORD`),
or through its own program where the environment names its metadata database. A secret is never an argument of a
program: it travels in a request's body, or in a file that only we can read and that is deleted at once.
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
from rollcall.errors import ActionRequired, RollcallError
from rollcall.files.private import write_private

_URL, _USER, _PASSWORD = "ROLLCALL_AIRFLOW_URL", "ROLLCALL_AIRFLOW_USER", "ROLLCALL_AIRFLOW_PASSWORD"
_METADATA = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"

#: Seconds the program `airflow` may take; on two busy cores it needs ten to begin.
_PROGRAM_LIMIT = 120

REACHED_BY = f"{_URL}, {_USER} and {_PASSWORD}, or {_METADATA} where the program airflow is installed"


def store(pasted: RawConnection) -> str:
    """Create the connection in Airflow, or put it in the place of the one of its id.

    :returns: where it is now, in words; empty where no Airflow is named in the environment.
    :raises RollcallError: an Airflow is named and did not take it; nothing of the connection is in the text.
    """
    if os.environ.get(_URL):
        return _through_api(pasted)
    if _names_metadata():
        return _through_program(pasted)
    return ""


def as_json(pasted: RawConnection) -> str:
    """Airflow's JSON form, which `AIRFLOW_CONN_<ID>` holds."""
    return json.dumps({**_fields(pasted), "extra": dict(pasted.extra)})


def export_line(pasted: RawConnection) -> str:
    """What a shell evaluates to have the connection in its environment."""
    return f"export AIRFLOW_CONN_{pasted.conn_id.upper()}={shlex.quote(as_json(pasted))}"


def command_for(district: str, pasted: RawConnection) -> str:
    """The one command that stores the connection and asks for the secret; without the secret."""
    options = {"--base-url": pasted.host, "--client-id": pasted.login}
    options |= {"--token-url": str(pasted.extra["auth_url"])} if "auth_url" in pasted.extra else {}
    options |= {"--signature": str(pasted.extra["signature"])} if "signature" in pasted.extra else {}
    options |= {"--expires-on": str(pasted.extra["expires_on"])} if "expires_on" in pasted.extra else {}
    options_text = " ".join(f"{name} {shlex.quote(value)}" for name, value in options.items())
    return f'eval "$(rollcall districts connect {shlex.quote(district)} {options_text})"'


def shell_command_for(district: str, pasted: RawConnection) -> str:
    """The command that gives a shell a connection Airflow has; empty where the environment has it already."""
    if os.environ.get(f"AIRFLOW_CONN_{pasted.conn_id.upper()}"):
        return ""
    return command_for(district, pasted).replace("$(rollcall", f"$({_URL}= {_METADATA}= AIRFLOW_HOME= rollcall", 1)


def _fields(pasted: RawConnection) -> dict[str, object]:
    """Port 0, for Airflow's Test button refuses a connection without one."""
    return {
        "conn_type": "oneroster",
        "host": pasted.host,
        "login": pasted.login,
        "password": pasted.password,
        "port": 0,
    }


def airflow_api() -> AirflowApi:
    """The Airflow that the environment names.

    :raises ActionRequired: `airflow_unencrypted`, `airflow_login_missing`.
    """
    url = os.environ[_URL].rstrip("/")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ActionRequired(
            "airflow_unencrypted",
            f"{_URL} does not begin with https://: TLS required outside loopback.",
            remedy="Use https://; nothing was sent.",
        )
    user, password = os.environ.get(_USER, ""), os.environ.get(_PASSWORD, "")
    if not user or not password:
        raise ActionRequired(
            "airflow_login_missing", f"{_URL} is set, but not {_USER} and {_PASSWORD}.", remedy="Set both."
        )
    return AirflowApi(url, user, password)


def _through_api(pasted: RawConnection) -> str:
    api = airflow_api()
    entity = {**_fields(pasted), "connection_id": pasted.conn_id, "extra": json.dumps(dict(pasted.extra))}
    api.overwrite("connections", [entity])
    return f"connection {pasted.conn_id} of the Airflow at {urlsplit(api.url).netloc}"


def _names_metadata() -> bool:
    """Without such a setting the program would make itself a database in the home folder."""
    if any(os.environ.get(f"{_METADATA}{suffix}") for suffix in ("", "_CMD", "_SECRET")):
        return True
    home = os.environ.get("AIRFLOW_HOME")
    return bool(home) and Path(str(home), "airflow.cfg").is_file()


def _through_program(pasted: RawConnection) -> str:
    content = json.dumps({pasted.conn_id: {**_fields(pasted), "extra": json.dumps(dict(pasted.extra))}})
    with tempfile.TemporaryDirectory(prefix="rollcall-") as folder:
        file = Path(folder, "connection.json")
        write_private(file, content.encode())
        command = [sys.executable, "-m", "airflow", "connections", "import", "--overwrite", str(file)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PROGRAM_LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            raise _refused(f"was not done after {_PROGRAM_LIMIT} seconds") from None
    if done.returncode != 0 or f"Imported connection {pasted.conn_id}" not in done.stdout:
        raise _refused(f"ended with code {done.returncode} and did not import it")
    return f"connection {pasted.conn_id} in Airflow's metadata database"


def _refused(how: str) -> RollcallError:
    return RollcallError(
        "airflow_program",
        f"`airflow connections import` {how}.",
        remedy="Run `airflow db check`; the environment has to be that of the Airflow that is meant.",
    )
