"""What a district sends to a vendor, in the words of its own screen."""

from __future__ import annotations

import json
from typing import Any

from rollcall_sandbox.provider import Provider
from rollcall_sandbox.settings import SandboxDistrict, addresses


def credentials(provider: Provider) -> dict[str, str]:
    """Label to value, in the order of the screen. The secrets are made up."""
    district = provider.settings
    match district.auth:
        case "oauth1":
            lines = {
                "OneRoster URL": provider.base_url,
                "Consumer Key": district.client_id,
                "Consumer Secret": district.client_secret,
            }
        case "oauth2":
            lines = {
                "Base URL": provider.base_url,
                "Token URL": provider.token_url,
                "Client ID": district.client_id,
                "Client Secret": district.client_secret,
            }
        case "bearer":
            lines = {"Base URL": provider.base_url, "Bearer Token": district.client_secret}
    if "headers-required" in provider.quirks:
        lines |= {"X-Tenant": district.app, "X-Api-Key": district.api_key}
    return lines


def airflow_connection(district: SandboxDistrict, origin: str) -> dict[str, Any]:
    """The Airflow connection of a district without quirks, in the shape of Airflow's API.

    :param origin: scheme, host and port of the sandbox.
    """
    where = addresses(district, frozenset())
    extra: dict[str, str] = {"auth": district.auth}
    if district.auth == "oauth2":
        extra["auth_url"] = f"{origin}{where.token}?{where.token_query}"
    return {
        "connection_id": f"oneroster_{district.app}",
        "conn_type": "oneroster",
        "host": origin + where.base,
        "login": district.client_id,
        "password": district.client_secret,
        "port": 0,
        "extra": json.dumps(extra),
    }


def as_text(provider: Provider) -> str:
    """The district and its credentials, as in an email; `rollcall districts add` reads it."""
    district = provider.settings
    body = "".join(f"  {label + ':':<17}{value}\n" for label, value in credentials(provider).items())
    return f"{district.name}, OneRoster {district.version}\n{body}"
