"""The environment Airflow's components run in on one machine: everything on loopback, nothing left to chance.

Settings of another Airflow or Rollcall in the caller's environment are not passed on.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.local.loopback import LOOPBACK
from include.private_files import write_private

#: The folder of the checkout: `dags/`, `plugins/`, `config/` and `include/` lie in it.
PROJECT = Path(__file__).resolve().parents[2]
USER = "admin"

_TELEMETRY_OFF = {"GX_ANALYTICS_ENABLED": "false", "SCARF_ANALYTICS": "false", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, repr=False)
class Secrets:
    """What signs and encrypts in one Airflow home; made once, kept in `secrets.json` for its owner alone."""

    password: str
    fernet_key: str
    jwt_secret: str
    api_secret: str

    @classmethod
    def of(cls, home: Path) -> Secrets:
        """The home's secrets, made if it has none."""
        path = home / "secrets.json"
        if not path.exists():
            made = {
                "password": secrets.token_urlsafe(9),
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "jwt_secret": secrets.token_urlsafe(48),
                "api_secret": secrets.token_urlsafe(32),
            }
            write_private(path, json.dumps(made).encode())
        return cls(**json.loads(path.read_text()))


def airflow_env(
    home: Path,
    *,
    metadata_url: str,
    port: int,
    dags: Path,
    plugins: Path,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of the components, `extra` laid over the rest.

    :param metadata_url: SQLAlchemy's URL of an empty database or of one an earlier start migrated.
    """
    keys = Secrets.of(home)
    passwords = home / "passwords.json"
    write_private(passwords, json.dumps({USER: keys.password}).encode())
    url = f"http://{LOOPBACK}:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(plugins),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__FERNET_KEY": keys.fernet_key,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # the default asks DNS, for seconds where there is none
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "DATABASE__SQL_ALCHEMY_CONN": metadata_url,
        "API__HOST": LOOPBACK,
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__SECRET_KEY": keys.api_secret,
        "API_AUTH__JWT_SECRET": keys.jwt_secret,
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs" / "tasks"),
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "120",  # two busy cores at the first parse
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",  # seconds until a new DAG file is noticed
    }
    env = own_environment() | {f"AIRFLOW__{name}": value for name, value in settings.items()}
    env |= {
        "AIRFLOW_HOME": str(home),
        # `include`, and config/airflow_local_settings.py; not plugins/, or the provider would have two spellings.
        "PYTHONPATH": os.pathsep.join((str(PROJECT), str(PROJECT / "config"))),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": _no_proxy(),
        "no_proxy": _no_proxy(),
    }
    return env | _TELEMETRY_OFF | dict(extra)


def own_environment() -> dict[str, str]:
    """The caller's environment without what it says about some other Airflow or Rollcall."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ROLLCALL"))}


def _no_proxy() -> str:
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    return ",".join(filter(None, (given, LOOPBACK, "localhost")))
