"""What a provider or a person wrote is text on every page and in every download: no tag, no script, no formula, no
character that hides or turns a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute

from rollcall.settings.sections import Floor, Guards
from tests.cli.test_hostile_text import CONTROL, HOSTILE
from tests.web.test_access import routes_of

#: What only a page or a spreadsheet runs.
_OF_A_PAGE = {
    "script": "<script>planted()</script>",
    "image": '"><img src=x onerror=planted()>',
    "attribute": "' onmouseover='planted()' style='color:red",
    "address": "javascript:planted()",
    "template": "{{ 7*7 }}{% raw %}${7*7}",
    "comment": "--><planted></planted><!--",
    "entity": "&lt;b&gt;planted&lt;/b&gt;",
}
#: At the start of a cell; the last one by signs of full width.
FORMULAS = ("=planted()", "+planted()", "-planted()", "@planted()", "\t=planted()", "\r=planted()", "＝planted()")

TEXT = "".join([*HOSTILE.values(), *_OF_A_PAGE.values()]).replace("\0", "")
_PARAMETERS = ("q", "who", "reason", "notice", "error", "from", "to", "kind", "school", "run_id", "show", "page")
_COLUMNS = ("name", "title", "given_name", "family_name", "role", "identifier", "class_code", "phone", "middle_name")


class _Page(HTMLParser):
    """What a browser makes of a page: elements, and what a person reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.read = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.read += data

    def problems(self) -> Iterator[str]:
        for tag, attributes in self.elements:
            if tag in ("planted", "object", "embed") or (tag == "script" and "src" not in attributes):
                yield f"an element <{tag}>"
            for name, value in attributes.items():
                if name.startswith("on") or name == "style":
                    yield f"an attribute {name}"
                if name == "src" and value == "x":
                    yield "an image"
                if name in ("href", "src", "action") and (value or "").strip().lower().startswith("javascript:"):
                    yield f"an address {value}"


@pytest.fixture
def elm(nights: Any, roster: Any) -> Any:
    """A district whose provider writes such texts everywhere; a third of its people is gone."""
    nights.settings(guards=Guards(floor=Floor(people=1)))
    for people in (("ada", "ben", "cid"), ("ada",), ("ada",)):
        rows = roster(*people, teacher=True)
        for number, row in enumerate(row for of_table in rows.values() for row in of_table):
            for column in _COLUMNS:
                if isinstance(row.get(column), str) and row.get("role_type") is None:
                    row[column] = FORMULAS[number % len(FORMULAS)] + row[column] + TEXT
        rows["users"][0]["email"] = None
        nights.publish(rows, rejected={"users": [f"=planted(){TEXT}"]})
    return nights


def _paths(nights: Any, route: APIRoute) -> Iterator[str]:
    """The route with every run and hold, and with words that people search."""
    hold = nights.scalar("SELECT hold_id FROM roster_ops.holds ORDER BY status DESC LIMIT 1")
    for run in ("run3", quote(f"planted{TEXT}", safe="")):
        values = {"district": "elm", "dag_id": "roster_elm", "hold": quote(str(hold)), "run_id": run, "draft": "none"}
        path = "/rosters" + route.path.format_map(values)
        yield path
        yield path + "?" + "&".join(f"{name}={quote(TEXT)}" for name in _PARAMETERS)
        if "{run_id}" not in route.path:
            return


def test_every_page_shows_hostile_text_as_text(browse: Any, api_server: Any, elm: Any) -> None:
    client = browse("admin")
    wrong, shown, downloads = [], 0, 0
    for route in routes_of(api_server):
        if "GET" not in route.methods:
            continue
        for path in _paths(elm, route):
            answer = client.get(path, headers={"accept": "text/html"})
            assert answer.status_code < 500, path
            if "planted" in answer.headers.get("location", "") and "://testserver" not in answer.headers["location"]:
                assert answer.headers["location"].startswith("/"), path
            if answer.headers.get("content-type", "").startswith("text/csv"):
                downloads += 1
                wrong += [(path, cell) for cell in _cells(answer.content) if _is_formula(cell)]
            elif answer.headers.get("content-type", "").startswith("text/html"):
                page = _Page(answer.text)
                shown += "<script>planted()</script>" in page.read
                wrong += [(path, problem) for problem in page.problems()]
                wrong += [(path, repr(sign)) for sign in set(CONTROL.findall(answer.text.replace("\t", "")))]
                wrong += [(path, "a template")] * ("4949" in answer.text)
    assert wrong == []
    assert shown >= 5
    assert downloads >= 3


def test_every_form_shows_what_was_sent_as_text(browse: Any, api_server: Any, elm: Any) -> None:
    client = browse("admin")
    fields = ("text", "name", "reason", "who", "q", "base_url", "token_url", "client_id", "client_secret", "district")
    fields += ("approve", "confirm", "nightly", "timezone", "usernames", "version", "student", "staff", "site", "new")
    wrong, sent = [], 0
    for route in routes_of(api_server):
        if "POST" not in route.methods:
            continue
        path = next(_paths(elm, route))
        answer = client.post(path, data=dict.fromkeys(fields, TEXT), headers={"accept": "text/html"})
        assert answer.status_code < 500, path
        page = _Page(answer.text)
        sent += 1
        wrong += [(path, problem) for problem in page.problems()]
        wrong += [
            (path, repr(sign)) for sign in set(CONTROL.findall(answer.text.replace("\t", "").replace("\r\n", "")))
        ]
    assert wrong == []
    assert sent > 15


def test_an_unknown_username_field_is_refused_in_words(browse: Any, elm: Any) -> None:
    """Found by the form with hostile text: it was an unexpected error."""
    form = {"student": "shoeSize", "staff": "email"}
    answer = browse("admin").post("/rosters/districts/elm/settings/usernames", data=form)
    assert answer.status_code == 422
    assert "shoeSize" in answer.text


def test_decisions_with_hostile_reasons_are_text_in_the_history(browse: Any, elm: Any) -> None:
    client = browse("admin")
    hold = elm.scalar("SELECT hold_id FROM roster_ops.holds WHERE status = 'open' LIMIT 1")
    path = f"/rosters/districts/elm/holds/{quote(str(hold))}"
    answer = client.post(f"{path}/reject", data={"reason": TEXT}, headers={"accept": "text/html"})
    assert answer.status_code == 303
    page = _Page(client.get(path, headers={"accept": "text/html"}).text)
    assert "<script>planted()</script>" in page.read
    assert list(page.problems()) == []
    with elm.engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT reason FROM roster_ops.holds WHERE hold_id = :hold"), {"hold": hold})
        assert "planted()" in kept.scalar_one()


def _cells(content: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) for cell in row]


def _is_formula(cell: str) -> bool:
    """Whether a spreadsheet runs it: it skips blanks of all kinds, and knows signs of full width."""
    start = cell.lstrip(" \t\r\n\u00a0\u200b\ufeff\x00")
    return start[:1] in tuple("=+-@＝＋－＠") and "planted" in cell
