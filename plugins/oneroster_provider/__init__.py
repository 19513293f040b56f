"""The Airflow provider `rollcall`: the connection type `oneroster` and its hook.

Airflow asks for this description in every process, so that importing it must cost nothing: no Airflow, no requests.
The form is declared; nothing of it is code (since Airflow 3.2).
"""

from __future__ import annotations

from typing import Any

_OPTIONAL_TEXT = ["string", "null"]


def get_provider_info() -> dict[str, Any]:
    """What Airflow shows and loads; `package-name` has to be the distribution's name."""
    return {
        "package-name": "rollcall",
        "name": "Rollcall",
        "description": "OneRoster 1.1 and 1.2 rostering services of student information systems.",
        "connection-types": [
            {
                "connection-type": "oneroster",
                "hook-name": "OneRoster",
                "hook-class-name": "oneroster_provider.hook.OneRosterHook",
                "ui-field-behaviour": _fields(),
                "conn-fields": _extra_fields(),
            },
            {
                "connection-type": "webhook",
                "hook-name": "Webhook (Slack, Teams, Mattermost)",
                "hook-class-name": "oneroster_provider.notifier.WebhookHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "login", "schema", "port"],
                    "relabeling": {"password": "Address of the incoming webhook"},
                    "placeholders": {"password": "https://hooks.slack.com/services/…"},
                },
                "conn-fields": {},
            },
        ],
    }


def _fields() -> dict[str, Any]:
    """Airflow's own fields, called as the district's screen calls them."""
    return {
        "hidden-fields": ["schema", "port"],
        "relabeling": {
            "host": "Base URL",
            "login": "Client ID or Consumer Key",
            "password": "Client Secret or Consumer Secret",
        },
        "placeholders": {
            "host": "https://sis.example.org/campus/api/oneroster/v1p2/maple/ims/oneroster",
            "login": "exactly as the district's screen shows it",
            "password": "for a fixed bearer token: the token",
        },
    }


def _extra_fields() -> dict[str, Any]:
    """The keys of `extra`. Airflow masks extras by their name: `auth_url` is none it would hide."""
    return {
        "auth_url": {
            "label": "Token URL",
            "description": "OAuth 2 only; copy it whole, with `?appName=…`.",
            "schema": {"type": _OPTIONAL_TEXT},
        },
        "auth": {
            "label": "Authentication",
            "description": "Empty: OAuth 2 if there is a Token URL, else OAuth 1 (Consumer Key and Secret).",
            "schema": {"type": _OPTIONAL_TEXT, "enum": ["oauth2", "oauth1", "bearer"]},
        },
        "client_auth": {
            "label": "Client ID and Secret go into",
            "description": "OAuth 2: the header (basic) or the body; the other is tried if one is refused.",
            "schema": {"type": _OPTIONAL_TEXT, "enum": ["basic", "body"]},
        },
        "signature": {
            "label": "Signature",
            "description": "OAuth 1. Empty: HMAC-SHA256. Some classic connections take HMAC-SHA1 only; Test says so.",
            "schema": {"type": _OPTIONAL_TEXT, "enum": ["HMAC-SHA256", "HMAC-SHA1"]},
        },
        "scopes": {
            "label": "Scopes",
            "description": "OAuth 2, one a line; empty: the least the version needs.",
            "schema": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        "expires_on": {
            "label": "Expires on",
            "description": "The day the credentials end (Infinite Campus 1.1: a year after they were made).",
            "schema": {"type": _OPTIONAL_TEXT, "format": "date"},
        },
        "headers": {
            "label": "Headers",
            "description": "Sent to the Base URL's host with every request.",
            "schema": {"type": ["object", "null"]},
        },
        "secret_headers": {
            "label": "Secret headers",
            "description": "The same, masked.",
            "schema": {"type": ["object", "null"]},
        },
    }
