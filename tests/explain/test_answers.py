"""The list of answers: complete, documented, and safe to send on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.explain.answers import ANSWERS, GROUPS, IN_REPLIES
from rollcall.explain.context import DistrictContext
from rollcall.explain.decide import _IS_NAME
from rollcall.explain.render import as_markdown
from rollcall.explain.timeline import fill_answer
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.settings import District

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def _values(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def _standing(is_campus: bool) -> DistrictContext:
    elm = District(district="elm", name="Elm", version="1.2", usernames="email")
    return DistrictContext(elm, published=None, pull=None, failed=None, is_campus=is_campus, now=NOW)


def test_every_reason_for_which_somebody_is_left_out_has_an_answer():
    assert set(LEFT_OUT_REASONS) <= set(GROUPS["Is here without an account"])


def test_the_documented_list_is_the_list_in_the_code():
    page = Path(__file__).resolve().parents[2] / "docs" / "answers.md"
    assert page.read_text(encoding="utf-8") == as_markdown()


def test_no_answer_is_there_twice():
    assert sum(len(group) for group in GROUPS.values()) == len(ANSWERS)


@pytest.mark.parametrize("code", ANSWERS)
def test_a_reply_asks_for_nothing_but_what_may_be_sent_on(code):
    answer = ANSWERS[code]
    assert set().union(*map(_values, (answer.reply, *answer.causes))) <= IN_REPLIES
    assert not re.search(r"sourcedId|YAML|OneRoster|hold|rollcall", answer.reply)


@pytest.mark.parametrize("code", ANSWERS)
def test_whoever_has_to_act_is_told_where(code):
    answer = ANSWERS[code]
    assert answer.who.startswith("Nobody") or answer.campus or answer.ours
    assert bool(answer.campus) == bool(answer.elsewhere)


@given(
    code=st.sampled_from(sorted(ANSWERS)),
    own=st.text("abc ", min_size=3).filter(str.strip),
    planted=st.text("xyzXYZ0123456789", min_size=6),
    is_campus=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_is_not_for_a_reply_never_gets_into_one(code, own, planted, is_campus):
    answer = ANSWERS[code]
    asked = set().union(*(_values(text) for text in (answer.said, answer.reply, answer.campus, answer.ours)))
    values = {name: own if name in IN_REPLIES else planted for name in asked}
    told = fill_answer(code, _standing(is_campus), values)
    assert planted not in told.reply
    assert "{" not in told.said + told.reply
    assert told.said.count(planted) == sum(
        name not in IN_REPLIES for _, name, _, _ in Formatter().parse(answer.said) if name
    )


@pytest.mark.parametrize("text", ["Cleo Newcomer", "Anna-Marie O'Neill", "Zoë van den Berg", "J. Smith"])
def test_a_name_that_was_asked_for_is_one(text):
    assert _IS_NAME.fullmatch(text)


@pytest.mark.parametrize("text", ["s1234567", "cleo@elm.example", "68d5a7b8-11", "cleo", "Cleo 4711", "4711"])
def test_an_id_or_an_address_that_was_asked_for_is_not_repeated_in_a_reply(text):
    assert not _IS_NAME.fullmatch(text)
