"""Where on the page a person does what a command does: a remedy names the page's own place."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from rollcall.display.printable import printable_lines

#: The beginning of a command, what the place is called, and its path below the district.
_PLACES = (
    ("sync", "Sync now", "/sync"),
    ("holds", "Holds", "/holds"),
    ("resume", "History", "/history"),
    ("rollback", "History", "/history"),
    ("check", "Settings, Connection", "/settings/connection"),
    ("districts add", "Settings, Connection", "/settings/connection"),
    ("districts show", "Settings", "/settings"),
    ("sites", "Settings, Sites", "/settings/sites"),
    ("usernames", "Settings, Usernames", "/settings/usernames"),
    ("explain", "Why not here?", "/person"),
    ("diff", "Changes", "/changes"),
)

#: A command in a remedy: in backticks, or up to the end of its sentence.
_COMMAND = re.compile(
    rf"`rollcall ([^`]+)`|\brollcall ((?:{'|'.join(command for command, _, _ in _PLACES)})\b.*?)(?=\.?$|\. )"
)
_CODE = re.compile(r"`([^`]*)`")


def link_commands(text: str, district: str, root: str) -> Markup:
    """A remedy as HTML, with links in place of the commands that the page has a place for.

    :param district: the page's district; empty on pages about all, where commands stay as they are.
    :param root: where the page is mounted.
    """
    parts, end = [], 0
    for found in _COMMAND.finditer(text := printable_lines(text)):
        command = (found[1] or found[2]).strip()
        place = next((one for one in _PLACES if f"{command} ".startswith(f"{one[0]} ")), None)
        parts.append(with_code(text[end : found.start()]))
        if place and district:
            url = f"{root}/districts/{district}{place[2]}"
            parts.append(Markup('<a href="{}">{}</a>').format(url, place[1]))
        else:
            parts.append(Markup("<code>rollcall {}</code>").format(command))
        end = found.end()
    parts.append(with_code(text[end:]))
    return Markup("").join(parts)


def with_code(text: str) -> Markup:
    """A text with what is in backticks as code."""
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )
