"""Plots as SVG inside a page. pygal draws them; the page's policy refuses its style and script, so both are removed.

The style sheet has the colors, for both themes. Each point has its value as a title, which browsers show.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from xml.etree import ElementTree

import pygal
from markupsafe import Markup

#: Elements that the policy refuses, or that only pygal's script reads.
_REMOVED = ("defs", "title", "style", "script")


def line_chart(label: str, points: Sequence[tuple[date, float | None]], *, unit: str = "") -> Markup:
    """A line over nights. Empty with fewer than two points.

    :param label: what a screen reader says, and the name of the line.
    :param unit: after a value, such as ` s`.
    """
    known = [(day, value) for day, value in points if value is not None]
    if len(known) < 2:
        return Markup("")
    chart = pygal.DateLine(
        css=(),
        js=(),
        width=300,
        height=130,
        margin=6,
        show_legend=False,
        dots_size=1.5,
        no_prefix=True,
        x_label_rotation=0.01,
        truncate_label=-1,
        x_value_formatter=lambda day: f"{day:%b} {day.day}",
        value_formatter=lambda value: f"{value:,.0f}{unit}",
        x_labels=_ends([day for day, _ in known]),
        y_labels_major_count=3,
        show_minor_y_labels=False,
        range=_range([value for _, value in known]),
    )
    chart.add(label, known)
    tree = chart.render_tree()
    _only_shapes(tree)
    tree.set("role", "img")
    tree.set("aria-label", _summary(label, known, unit))
    return Markup(ElementTree.tostring(tree, encoding="unicode"))  # noqa: S704 - numbers and our own label


def _ends(days: list[date]) -> list[date]:
    middle = days[len(days) // 2]
    return sorted({days[0], middle, days[-1]})


def _range(values: list[float]) -> tuple[float, float]:
    """A little room around the line. One that does not change is in the middle. Labels are whole numbers, so the range
    is at least three: less would repeat a label.
    """
    low, high = min(values), max(values)
    room = (high - low) * 0.1 or max(abs(high) * 0.05, 1)
    bottom = max(low - room, 0)
    return bottom, max(high + room, bottom + 3)


def _summary(label: str, points: Sequence[tuple[date, float]], unit: str) -> str:
    (first, before), (last, after) = points[0], points[-1]
    return f"{label}: {before:,.0f}{unit} on {first:%B} {first.day}, {after:,.0f}{unit} on {last:%B} {last.day}"


def _only_shapes(tree: ElementTree.Element) -> None:
    tree.attrib.pop("id", None)
    for parent in list(tree.iter()):
        for child in list(parent):
            child.attrib.pop("style", None)
            if not isinstance(child.tag, str) or child.tag in _REMOVED:  # a comment has no name
                parent.remove(child)
            elif child.tag == "desc" and "value" in child.get("class", ""):
                child.tag = "title"
                child.attrib.clear()
            elif child.tag == "desc":
                parent.remove(child)
