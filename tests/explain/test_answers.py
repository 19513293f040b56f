"""The answers: complete, documented, and safe to forward."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.accounts.assignment import MANUAL
from rollcall.explain.answer_selector import _IS_NAME
from rollcall.explain.answers import ANSWERS, GROUPS
from rollcall.explain.answers.__main__ import as_markdown
from rollcall.explain.answers.left_out import LEFT_OUT
from rollcall.explain.answers.template import NO_ACTION, REPLY_VALUES
from rollcall.explain.context import DistrictContext
from rollcall.explain.formatting import field_label
from rollcall.explain.timeline import fill_answer
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.settings import District
from tests.conftest import examples

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def _fields(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name]


def _context(is_campus: bool) -> DistrictContext:
    elm = District(district="elm", name="Elm", version="1.2", usernames="email")
    return DistrictContext(elm, published=None, pull=None, failed=None, is_campus=is_campus, now=NOW)


def test_every_left_out_reason_has_an_answer():
    assert set(LEFT_OUT_REASONS) <= set(LEFT_OUT)


def test_the_documentation_matches_the_code():
    page = Path(__file__).resolve().parents[2] / "docs" / "answers.md"
    assert page.read_text(encoding="utf-8") == as_markdown()


def test_every_code_is_unique():
    assert sum(len(group) for group in GROUPS.values()) == len(ANSWERS)


@pytest.mark.parametrize("code", ANSWERS)
def test_a_reply_uses_only_values_that_may_be_forwarded(code):
    answer = ANSWERS[code]
    assert {name for text in (answer.reply, *answer.causes) for name in _fields(text)} <= REPLY_VALUES
    assert not re.search(r"sourcedId|YAML|OneRoster|hold|rollcall", answer.reply)


@pytest.mark.parametrize("code", ANSWERS)
def test_an_answer_that_needs_action_names_the_place(code):
    answer = ANSWERS[code]
    assert answer.owner == NO_ACTION or answer.infinite_campus or answer.rollcall
    assert bool(answer.infinite_campus) == bool(answer.other_sis)


@given(
    code=st.sampled_from(sorted(ANSWERS)),
    own=st.text("abc ", min_size=3).filter(str.strip),
    planted=st.text("xyzXYZ0123456789", min_size=6),
    is_campus=st.booleans(),
)
@examples(200)
def test_a_private_value_never_appears_in_a_reply(code, own, planted, is_campus):
    answer = ANSWERS[code]
    texts = (answer.text, answer.reply, answer.infinite_campus, answer.rollcall)
    values = {name: own if name in REPLY_VALUES else planted for text in texts for name in _fields(text)}
    filled = fill_answer(code, _context(is_campus), values)
    assert planted not in filled.reply
    assert "{" not in filled.text + filled.reply
    assert filled.text.count(planted) == sum(name not in REPLY_VALUES for name in _fields(answer.text))


@pytest.mark.parametrize("text", ["Cleo Newcomer", "Anna-Marie O'Neill", "Zoë van den Berg", "J. Smith"])
def test_a_reply_may_repeat_a_name(text):
    assert _IS_NAME.fullmatch(text)


@pytest.mark.parametrize("text", ["s1234567", "cleo@elm.example", "68d5a7b8-11", "cleo", "Cleo 4711", "4711"])
def test_a_reply_never_repeats_an_id_or_an_address(text):
    assert not _IS_NAME.fullmatch(text)


def test_a_manual_username_comes_from_the_district_settings():
    assert field_label(MANUAL) == "the district settings"
