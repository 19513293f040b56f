"""Messages in the format of each chat program's incoming webhook.

Microsoft Teams: the Workflows webhook expects an Adaptive Card (learn.microsoft.com, "Create incoming webhooks with
Workflows"). Microsoft retired the connectors for plain text. Slack: `text` in mrkdwn, with `&`, `<` and `>` escaped.
Mattermost: `text` in Markdown. Each program rejects a message above its limit, so long messages are cut at a line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

#: Hosts of each program. Mattermost is self-hosted and recognized by its path.
_TEAMS = (".logic.azure.com", ".azure-apihub.net", ".powerplatform.com", ".powerautomate.com", ".webhook.office.com")
_SLACK = ("hooks.slack.com", "hooks.slack-gov.com")

#: Bytes, and the bytes the format adds to each line. The limits: Teams 28 KB, Slack 40,000 characters, Mattermost
#: 16,383 characters.
_LIMITS = {"teams": (24_000, 90), "slack": (35_000, 1), "mattermost": (15_000, 1), "text": (15_000, 1)}


def format_of(url: str) -> str:
    """The program of an address; `text` if it is none of them."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host.endswith(_TEAMS):
        return "teams"
    if host in _SLACK:
        return "slack"
    return "mattermost" if parts.path.startswith("/hooks/") else "text"


def content(format_name: str, subject: str, message: str) -> dict[str, Any]:
    """The JSON to post."""
    return FORMATS[format_name](subject, _cut(message, *_LIMITS[format_name]))


def _cut(message: str, limit: int, added: int) -> str:
    """The first lines that fit, and the number of lines that do not."""
    lines, length = message.splitlines(), 0
    for number, line in enumerate(lines):
        length += len(line.encode()) + added
        if length > limit:
            return "\n".join([*lines[:number], f"… and {len(lines) - number:,} more lines: rollcall status"])
    return message


def _text(_: str, message: str) -> dict[str, Any]:
    return {"text": message}


def _slack(_: str, message: str) -> dict[str, Any]:
    for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        message = message.replace(sign, escaped)
    return {"text": message}


def _mattermost(_: str, message: str) -> dict[str, Any]:
    """A code block: no Markdown and no mentions."""
    return {"text": f"```text\n{message.replace('```', '` ` `')}\n```"}


def _teams(subject: str, message: str) -> dict[str, Any]:
    head = {"type": "TextBlock", "text": _plain(subject), "weight": "Bolder", "size": "Medium", "wrap": True}
    lines = [
        {
            "type": "TextBlock",
            "text": _plain(line),
            "wrap": True,
            "spacing": "None" if line.startswith(" ") else "Small",
        }
        for line in message.splitlines()
        if line.strip()
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [head, *lines],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _plain(line: str) -> str:
    """A line without a Markdown link."""
    return line.strip().replace("](", "] (")


FORMATS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "teams": _teams,
    "slack": _slack,
    "mattermost": _mattermost,
    "text": _text,
}
