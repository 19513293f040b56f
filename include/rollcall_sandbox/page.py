"""The page at the sandbox's own address: the districts it serves, what each hands over, and what can be done to it.

It is for a person with a browser. Every text on it is escaped.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from rollcall_sandbox.credentials import as_text
from rollcall_sandbox.provider import Provider
from rollcall_sandbox.quirks import BUNDLES, QUIRKS
from rollcall_sandbox.settings import DEMO_DISTRICTS

#: The page loads nothing, runs nothing, and sends its forms nowhere else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Cache-Control": "no-store",
}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { background: #f4f4f2; color: #222; padding: .75rem; overflow-x: auto }
td { vertical-align: top; padding: .1rem 1rem .1rem 0 }
"""


def page(providers: Mapping[str, Provider], origin: str) -> str:
    """The page in HTML.

    :param origin: scheme, host and port it is served at.
    """
    return "\n".join(_lines(providers.values(), origin))


def _lines(providers: Iterable[Provider], origin: str) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Rollcall sandbox</title><style>{_STYLE}</style>'
    yield "<h1>Rollcall sandbox</h1>"
    yield "<p>School districts to practice with, served as OneRoster providers. All people and secrets are made up.</p>"
    for provider in providers:
        yield from _district(provider, origin)
    yield "<h2>Add another district</h2>"
    yield "<p>Every name makes a district, always the same one. In another terminal:"
    yield "<pre>rollcall sandbox elm --port 8490 | tee elm.txt</pre><p>and then in another:"
    yield "<pre>rollcall districts add elm elm.txt</pre>"
    yield "<h2>Quirks</h2>"
    yield "<p>A quirk makes a district behave like a provider, or gives it one habit of one. They can be combined.</p>"
    yield "<table>"
    yield from (_row(name, bundle.what) for name, bundle in BUNDLES.items())
    yield from (_row(name, f"{quirk.what} ({quirk.provider})") for name, quirk in QUIRKS.items())
    yield "</table>"


def _district(provider: Provider, origin: str) -> Iterator[str]:
    district = provider.settings
    controls = f"{origin}/sandbox/{district.app}"
    quirks = ", ".join(sorted(provider.quirks)) or "none"
    yield f'<section id="{escape(district.app)}"><h2>{escape(district.name)}</h2>'
    yield f"<p>OneRoster {escape(district.version)}, {district.students:,} students at first, "
    yield f"nights passed: {provider.nights}, quirks: {escape(quirks)}.</p>"
    yield f"<pre>{escape(as_text(provider))}</pre>"
    if district.app not in (known.app for known in DEMO_DISTRICTS):
        command = f"rollcall districts add {district.app}"
        yield f"<p>To take it in: <code>{escape(command)}</code>, and paste these lines.</p>"
    yield "<p>Let a night pass (people join, move, change names and leave); set quirks, and take them off again:</p>"
    yield f'<form method="post" action="{escape(f"/sandbox/{district.app}/nights")}">'
    yield "<button>Pass one night</button></form>"
    commands = (
        _curl(f"{controls}/nights", {"nights": 1}),
        _curl(f"{controls}/quirks", ["no-totals"]),
        _curl(f"{controls}/quirks", []),
    )
    yield f"<pre>{escape(chr(10).join(commands))}</pre>"
    yield f'<p><a href="{escape(f"/sandbox/{district.app}/truth")}">What there is</a>, '
    yield f'<a href="{escape(f"/sandbox/{district.app}/seen")}">what was requested</a></p></section>'


def _curl(url: str, body: object) -> str:
    return f"curl -d {shlex.quote(json.dumps(body))} {url}"


def _row(name: str, what: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{escape(what)}"
