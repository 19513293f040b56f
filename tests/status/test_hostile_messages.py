"""Emails and chat messages with hostile text: no control character, no line of its own, no mention, no link."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.status.digest import morning_digest, urgent_alert
from rollcall.status.webhooks import FORMATS, content
from rollcall.warehouse.ops_models import runs
from tests.cli.test_hostile_text import CONTROL, HOSTILE

TEXT = "".join([*HOSTILE.values(), "<!channel> ```[link](https://evil.example)\n\nOak (oak): published"]).replace(
    "\0", ""
)


@pytest.fixture
def messages(nights: Any, roster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The digest and the alert about a district whose name and whose last error are hostile."""
    name = json.dumps(TEXT)
    settings = f'district: elm\nname: {name}\nversion: "1.2"\nusernames: email\nschedule: {{timezone: UTC}}\n'
    (tmp_path / "elm.yaml").write_text(settings)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    nights.publish(roster("ada"))
    nights.prepare(roster("ada"))
    with nights.engine.begin() as connection:
        failed = {
            "status": "failed",
            "error_code": "provider_refused",
            "error_message": TEXT,
            "failed_stage": "extract",
        }
        connection.execute(sa.update(runs).where(runs.c.run_id == "run2").values(failed))
    url = nights.engine.url
    warehouse = SimpleNamespace(
        host=url.query["host"], schema=url.database, login=url.username, password=None, port=None
    )
    alert = urgent_alert(warehouse, "elm")
    assert alert is not None
    return [morning_digest(warehouse), alert]


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for value in body.values():
            yield from _texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value)
    elif isinstance(body, str):
        yield body


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_message_has_signs_that_act(messages: list[tuple[str, str]], format_name: str) -> None:
    for subject, message in messages:
        assert "evil.example" in message
        assert "\n" not in subject
        assert [line for line in message.splitlines() if line.startswith("Oak (oak)")] == []
        shown = "\n".join(_texts(content(format_name, subject, message)))
        assert CONTROL.findall(shown) == []
        if format_name == "slack":
            assert "<!" not in shown
        if format_name == "mattermost":
            assert shown.count("```") == 2
        if format_name == "teams":
            assert "](" not in shown
