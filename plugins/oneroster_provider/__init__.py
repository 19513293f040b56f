"""The Airflow provider `rollcall`: the connection type `oneroster` and its hook.

Every Airflow process imports this module, so it imports neither Airflow nor requests. The connection form is
declarative (Airflow 3.2 and newer).
"""

from __future__ import annotations

from typing import Any

_OPTIONAL_TEXT = ["string", "null"]


def get_provider_info() -> dict[str, Any]:
    """The provider's description for Airflow. `package-name` must be the distribution's name."""
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
                    "relabeling": {"password": "URL of the incoming webhook"},
                    "placeholders": {"password": "https://hooks.slack.com/services/…"},
                },
                "conn-fields": {},
            },
        ],
    }


def _fields() -> dict[str, Any]:
    """Airflow's standard fields, with the labels of the district's screen."""
    return {
        "hidden-fields": ["schema", "port"],
        "relabeling": {
            "host": "Base URL",
            "login": "Client ID or Consumer Key",
            "password": "Client Secret or Consumer Secret",
        },
        "placeholders": {
            "host": "https://sis.example.org/campus/api/oneroster/v1p2/maple/ims/oneroster",
            "login": "exactly as shown on the district's screen",
            "password": "for a fixed bearer token, paste the token",
        },
    }


def _extra_fields() -> dict[str, Any]:
    """The keys of `extra`. Airflow would mask `token_url`, so the key is `auth_url`."""
    return {
        "auth_url": {
            "label": "Token URL",
            "description": "OAuth 2 only. Copy the full URL, including `?appName=…`.",
            "schema": {"type": _OPTIONAL_TEXT},
        },
        "auth": {
            "label": "Authentication",
            "description": "Default: OAuth 2 with a Token URL, otherwise OAuth 1 (Consumer Key and Secret).",
            "schema": {"type": _OPTIONAL_TEXT, "enum": ["oauth2", "oauth1", "bearer"]},
        },
        "client_auth": {
            "label": "Send Client ID and Secret in",
            "description": "OAuth 2 only: the header (basic) or the body. If one is refused, the other is tried.",
            "schema": {"type": _OPTIONAL_TEXT, "enum": ["basic", "body"]},
        },
        "signature": {
            "label": "Signature",
            "description": "OAuth 1 only. Default: HMAC-SHA256. Test shows if the provider accepts only HMAC-SHA1.",
            "schema": {"type": _OPTIONAL_TEXT, "enum": ["HMAC-SHA256", "HMAC-SHA1"]},
        },
        "scopes": {
            "label": "Scopes",
            "description": "OAuth 2 only, one per line. Leave empty for the minimum that the version needs.",
            "schema": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        "expires_on": {
            "label": "Expires on",
            "description": "When the credentials expire (Infinite Campus 1.1: one year after creation).",
            "schema": {"type": _OPTIONAL_TEXT, "format": "date"},
        },
        "headers": {
            "label": "Headers",
            "description": "Sent with every request to the host of the Base URL.",
            "schema": {"type": ["object", "null"]},
        },
        "allow_private": {
            "label": "Allow private addresses",
            "description": "Set this only if the service is inside your own network.",
            "schema": {"type": ["boolean", "null"]},
        },
        "secret_headers": {
            "label": "Secret headers",
            "description": "Like Headers, but masked.",
            "schema": {"type": ["object", "null"]},
        },
    }
