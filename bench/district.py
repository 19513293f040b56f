"""Writes the file of the benchmark's district."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

_FILE = """
district: {app}
name: {title} Unified School District
version: "1.2"
usernames: email
starts_on: {now:%Y-%m-%d}
schedule: {{timezone: UTC, off_peak: "{begin:%H}:00-{end:%H}:00", full_on: {full_on}}}
extract: {{{extract}}}
"""


def describe(folder: Path, app: str, **extract: int) -> Path:
    """Write a district's file suited for measurements.

    The current hours are peak hours. No night is due for hours, because a newly started Airflow would run it during a
    measurement. Today is not the day of the full pull, so delta nights stay deltas.

    :param extract: the page size and how many requests at once; others are the defaults.
    """
    now = datetime.now(UTC)
    text = _FILE.format(
        app=app,
        title=app.title(),
        now=now,
        begin=now + timedelta(hours=6),
        end=now + timedelta(hours=8),
        full_on=f"{now + timedelta(days=3):%A}".lower(),
        extract=", ".join(f"{name}: {value}" for name, value in extract.items()),
    )
    path = folder / f"{app}.yaml"
    path.write_text(text, encoding="utf-8")
    return path
