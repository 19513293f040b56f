"""Provider quirks, each a named switch: what real OneRoster providers do that a client must survive.

A quirk may change what is asked of the roster (`asks`), what is answered (`answers`), or be looked for by name where
tokens are checked and answers sent.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from include.errors import RollcallError

TOKEN_REQUESTS = 3
SLOW_ANSWER_SECONDS = 0.05
_CLAMP = 500
_STRING_AT, _BAD_FIELD_AT = 2, 4


@dataclass(slots=True)
class Ask:
    """A page as it was asked for; `resource` is the path, such as `students`."""

    resource: str
    limit: int
    offset: int


@dataclass(slots=True)
class Answer:
    """A page as it will be answered: encoded records, how many there are in all, and what goes with them."""

    ask: Ask
    records: list[bytes]
    total: int
    has_totals: bool = True
    has_envelope: bool = True


@dataclass(frozen=True)
class Quirk:
    """What a provider does, and which provider was seen doing it."""

    what: str
    provider: str
    asks: Callable[[Ask], None] | None = None
    answers: Callable[[Answer], None] | None = None


def _clamp(ask: Ask) -> None:
    ask.limit = min(ask.limit, _CLAMP)


def _repeat_page_one(ask: Ask) -> None:
    ask.offset = 0


def _no_totals(answer: Answer) -> None:
    answer.has_totals = False


def _string_for_record(answer: Answer) -> None:
    place = _STRING_AT - answer.ask.offset
    if answer.ask.resource == "users" and 0 <= place < len(answer.records):
        answer.records[place] = b'"this should have been a user"'


def _object_for_name(answer: Answer) -> None:
    place = _BAD_FIELD_AT - answer.ask.offset
    if answer.ask.resource == "users" and 0 <= place < len(answer.records):
        user = msgspec.json.decode(answer.records[place])
        user["givenName"] = {"text": user["givenName"]}
        answer.records[place] = msgspec.json.encode(user)


def _empty(*resources: str) -> Callable[[Answer], None]:
    def answers(answer: Answer) -> None:
        if answer.ask.resource in resources:
            answer.records, answer.total = [], 0

    return answers


def _no_envelope(answer: Answer) -> None:
    answer.has_envelope = answer.ask.resource != "users"


def _another_total(answer: Answer) -> None:
    answer.total += 1 if answer.ask.offset else 0


QUIRKS = {
    "record-not-an-object": Quirk(
        "the third record of /users is a JSON string", "seen behind proxies", answers=_string_for_record
    ),
    "bad-field-type": Quirk(
        "the fifth record of /users has an object for its givenName",
        "seen after exports by hand",
        answers=_object_for_name,
    ),
    "no-totals": Quirk("neither X-Total-Count nor Link", "Ed-Fi", answers=_no_totals),
    "clamp-500": Quirk("a limit above 500 is silently lowered to 500", "Ed-Fi", asks=_clamp),
    "token-expires-mid-pull": Quirk(f"a token is good for {TOKEN_REQUESTS} requests", "any with short tokens"),
    "empty-orgs": Quirk(
        "orgs answer an empty list", "Infinite Campus with no school in scope", answers=_empty("orgs", "schools")
    ),
    "empty-users": Quirk(
        "users answer an empty list",
        "Infinite Campus before scheduling is done",
        answers=_empty("users", "students", "teachers"),
    ),
    "repeat-page-one": Quirk("the offset is ignored", "1.1 servers without paging", asks=_repeat_page_one),
    "missing-envelope": Quirk("/users answers 200 with {}", "ClassLink", answers=_no_envelope),
    "count-changes": Quirk(
        "the total is another from the second page on", "any while people enter data", answers=_another_total
    ),
    "slow-answers": Quirk(
        f"every answer takes {SLOW_ANSWER_SECONDS * 1000:.0f} ms, so that requests overlap and can be counted", "any"
    ),
}


def known(names: Iterable[str]) -> frozenset[str]:
    """The names, if all of them are quirks.

    :raises RollcallError: `sandbox_quirk`, naming the valid ones.
    """
    chosen = frozenset(names)
    for name in sorted(chosen - QUIRKS.keys()):
        near = difflib.get_close_matches(name, QUIRKS, n=1)
        hint = f'Did you mean "{near[0]}"? ' if near else ""
        raise RollcallError(
            "sandbox_quirk",
            f'The sandbox has no quirk "{name}".',
            remedy=f"{hint}There are: {', '.join(QUIRKS)}.",
        )
    return chosen
