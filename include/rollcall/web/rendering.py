"""Templates: what a provider wrote is data wherever it is shown (rule 8, and a provider may be hostile).

Every value is escaped as HTML, and control characters are replaced by a visible sign: a name with a right-to-left
override must not turn the text after it around.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup
from starlette.requests import Request

from rollcall.check.steps import NOT_TRIED
from rollcall.display.dates import format_date, format_instant
from rollcall.display.printable import printable_lines
from rollcall.explain.formatting import pluralize
from rollcall.web.places import link_commands, with_code

_HERE = Path(__file__).parent

#: Sentences shown after an action, by code. A URL carries only the code.
NOTICES: dict[str, str] = {
    "settings_saved": "Saved in the district's file.",
    "nothing_changed": "The district's file already has these settings. Nothing was written.",
    "connection_saved": "The connection is stored in Airflow. The next run uses it.",
    "approved": "Approved. The run that publishes it has started.",
    "approved_only": "Approved. The next run publishes it.",
    "approved_not_started": "Approved. No run was started, and nothing is published yet: Airflow has paused this "
    "district's DAG, or refused the run. Unpause it, then choose Sync now.",
    "rejected": "Rejected. The published rows stay as they are.",
    "rolled_back": "The earlier roster is published again. Publishing is paused until you resume it.",
    "resumed": "Publishing goes on. The next run publishes again.",
}


def _finalize(value: Any) -> Any:
    """How a template prints a value."""
    if value is None:
        return ""
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None) -> str:
    """`1,234`; a dash for an unknown number."""
    return "–" if value is None else f"{value:,}"


def change(value: int | None) -> str:
    """`+12`, `−3`, or nothing for no change."""
    if not value:
        return ""
    return f"{'+' if value > 0 else '−'}{abs(value):,}"


def ago(when: datetime | None, now: datetime | None = None) -> str:
    """`5 min ago`, `3 h ago`, `in 2 h`."""
    if when is None:
        return ""
    seconds = int(((now or datetime.now(UTC)) - when).total_seconds())
    size = abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= length:
            text = f"{size // length} {unit}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now" if seconds >= 0 else "in a moment"


def short_instant(when: datetime | None, timezone: str) -> str:
    """`Nov 29, 2:15 AM`, in the district's time."""
    if when is None:
        return ""
    local = when.astimezone(ZoneInfo(timezone))
    return f"{local:%b} {local.day}, {local.hour % 12 or 12}:{local:%M %p}"


def short_date(day: date | None) -> str:
    """`Nov 29`."""
    return f"{day:%b} {day.day}" if day else ""


def capitalize_first(text: str) -> str:
    """The text with a capital at its start; the rest as it is."""
    return text[:1].upper() + text[1:]


def marked(text: str) -> Markup:
    """A sentence with its first letter in upper case, and what is in backticks as code."""
    return with_code(capitalize_first(printable_lines(text)))


@jinja2.pass_context
def remedy(context: jinja2.runtime.Context, text: str) -> Markup:
    """A remedy with links to the page's own places in place of commands."""
    return link_commands(text, context["district_id"], context["root"])


def added(line: str) -> str:
    """A line of a new file, as a diff shows it."""
    return f"+ {line}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        added,
        number,
        change,
        ago,
        capitalize_first,
        short_instant,
        short_date,
        marked,
        remedy,
        pluralize,
        format_date,
        format_instant,
    )
    environment.filters.update({function.__name__: function for function in filters})
    environment.tests["untried"] = lambda message: str(message).startswith(NOT_TRIED)
    environment.globals["static_version"] = _static_version()
    return environment


def _static_version() -> str:
    """Changes with the files, so that a browser never combines a new page with an old style."""
    return format(int(max(path.stat().st_mtime for path in (_HERE / "static").iterdir())), "x")


def render(template: str, request: Request, /, now: datetime | None = None, **values: Any) -> str:
    """A template as HTML. `root` is where the page is mounted, `airflow` where Airflow is."""
    root = request.scope.get("root_path", "")
    standard: Mapping[str, Any] = {
        "root": root,
        "airflow": root.removesuffix("/rosters"),
        "notice": NOTICES.get(request.query_params.get("notice", ""), ""),
        "now": now or datetime.now(UTC),
        "district_id": request.path_params.get("district", ""),
    }
    return _environment().get_template(template).render(**{**standard, **values})
