"""What `rollcall explain` tells: the way of one person, what happened, and one of the fixed answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from include.explain.answers import ANSWERS, IN_REPLIES
from include.explain.changes import Change
from include.explain.standing import Standing

_CLOSING = "If this does not fit what you see, please tell us what your school system shows."


@dataclass(frozen=True)
class Step:
    """One stage of a person's way.

    :param outcome: ok, warning, or stop where the way ends.
    """

    stage: str
    outcome: str
    lines: list[str]


@dataclass(frozen=True)
class Answered:
    """One of the fixed answers with its values in place.

    :param where: pairs of a place (Infinite Campus, the district's file) and what is found there.
    :param reply: ready to send; without any id, and without the name of anybody but the person.
    """

    code: str
    said: str
    causes: list[str]
    who: str
    where: list[tuple[str, str]]
    reply: str


@dataclass(frozen=True)
class Explanation:
    """One person, or school, explained.

    :param subject: who or what it is about, as a heading.
    """

    subject: str
    sourced_id: str | None
    answer: Answered
    notes: list[str]
    steps: list[Step] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True)
class Several:
    """More than one person fits.

    :param matches: name, school, grade, state, sourced_id of each; `more` says that there are others still.
    """

    who: str
    matches: list[dict[str, str]]
    more: bool


def answered(code: str, standing: Standing, values: Mapping[str, Any]) -> Answered:
    """An answer with its values; those every answer may use are added here."""
    settings = standing.settings
    filled: dict[str, Any] = {
        "district": settings.district,
        "district_name": settings.name,
        "file": f"{settings.district}.yaml",
        "last_pull": standing.last_words(),
        "next_pull": standing.next_words(),
        **values,
    }
    answer = ANSWERS[code]
    provider = ("Infinite Campus", answer.campus) if standing.is_campus else ("The SIS", answer.elsewhere)
    where = [(place, text.format(**filled)) for place, text in (provider, ("Rollcall", answer.ours)) if text]
    safe = {name: value for name, value in filled.items() if name in IN_REPLIES}
    causes = [cause.format(**safe) for cause in answer.causes]
    numbered = [f"{number}. {cause}" for number, cause in enumerate(causes, 1)]
    reply = "\n".join([answer.reply.format(**safe), *numbered, "", _CLOSING])
    return Answered(code, answer.said.format(**filled), causes, answer.who, where, reply)
