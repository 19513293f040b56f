"""Changing one setting of a YAML text leaves every other line, comment and space as a person wrote it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.district_edits.file import with_setting, without_setting, written
from rollcall.settings import yaml_text
from tests.conftest import examples

MAPLE = """\
# Maple: asked for on the 3rd
district: maple      # the id
name:   "Maple  Unified"

usernames: email  # agreed with the district
sites:   # ours
  targets: {ME: "Maple Elem", MH: Maple High}
  map:
    # north side
    "68d5": ME   # Lincoln
    # south side
    "0012":   undecided    # 12 students

# guards as agreed
guards: {students: 10%}
"""


def test_a_value_is_exchanged_in_its_place_and_its_remark_stays():
    after = with_setting(MAPLE, ("sites", "map", "0012"), "MH", remark="not needed")
    assert after == MAPLE.replace('"0012":   undecided    # 12', '"0012":   MH    # 12')


def test_a_new_entry_comes_last_in_its_map_and_before_the_comments_that_follow():
    after = with_setting(MAPLE, ("sites", "map", "77"), "ME", remark="Grant\nElementary")
    line = '    "77": ME  # Grant Elementary\n'
    assert after == MAPLE.replace("# 12 students\n", f"# 12 students\n{line}")


def test_a_map_on_one_line_grows_on_that_line():
    after = with_setting(MAPLE, ("sites", "targets", "MJ"), "Maple Junior")
    assert after == MAPLE.replace("Maple High}", "Maple High, MJ: Maple Junior}")


def test_the_short_form_becomes_a_map_and_keeps_its_remark():
    after = with_setting(MAPLE, ("usernames",), {"student": [{"field": "username"}], "staff": [{"field": "email"}]})
    expected = "usernames:  # agreed with the district\n  student: [{field: username}]\n  staff: [{field: email}]\n"
    assert after == MAPLE.replace("usernames: email  # agreed with the district\n", expected)


def test_maps_on_the_way_are_made():
    after = with_setting(MAPLE, ("people", "p-1"), {"exclude": True, "reason": "a: b", "until": date(2027, 1, 31)})
    assert after == MAPLE + 'people:\n  p-1: {exclude: true, reason: "a: b", until: 2027-01-31}\n'


def test_a_setting_goes_with_its_line_and_the_comments_around_it_stay():
    after = without_setting(MAPLE, ("sites", "map", "68d5"))
    assert after == MAPLE.replace('    "68d5": ME   # Lincoln\n', "")
    assert without_setting(MAPLE, ("sites", "map", "nobody")) == MAPLE


def test_a_map_left_empty_goes_too():
    with_one = with_setting(MAPLE, ("people", "p-1"), {"exclude": True, "reason": "b"})
    assert without_setting(with_one, ("people", "p-1")) == MAPLE
    assert without_setting(MAPLE, ("guards", "students")) == MAPLE.replace("guards: {students: 10%}\n", "")


def test_line_breaks_of_windows_stay():
    text = MAPLE.replace("\n", "\r\n")
    after = with_setting(text, ("sites", "map", "77"), "ME")
    assert after.count("\r\n") == after.count("\n") == text.count("\n") + 1


@pytest.mark.parametrize(
    "text", ["on", "12", "0012", "1e5", "626891e9", "yes", "~", "", " a", "a: b", "a #b", "{a}", "é"]
)
def test_texts_yaml_would_take_for_something_else_have_quotes(text):
    assert written(text).startswith('"')
    assert yaml_text.load(f"{{{written(text)}: {written(text)}}}") == {text: text}


_KEYS = st.text("abcXYZ019_-", min_size=1, max_size=6)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
_REMARKS = st.sampled_from(["", "  # a remark", "   # äöü: {odd}, [really] 'so'"])
_BETWEEN = st.lists(st.sampled_from(["", "# a comment of its own", "  # an indented one"]), max_size=2)


@st.composite
def _files(draw: st.DrawFn) -> tuple[str, list[tuple[str, ...]]]:
    """A file of maps, flow maps and scalars with comments everywhere, and the paths that lead to a scalar."""
    lines: list[str] = []
    paths: list[tuple[str, ...]] = []
    for name in draw(st.lists(_KEYS, min_size=1, max_size=4, unique=True)):
        lines += draw(_BETWEEN)
        inner = draw(st.dictionaries(_KEYS, _TEXTS, max_size=3))
        kind = draw(st.sampled_from(["scalar", "flow", "block"])) if inner else "scalar"
        key = written(name)
        if kind == "scalar":
            lines.append(f"{key}:  {written(draw(_TEXTS))}{draw(_REMARKS)}")
            paths.append((name,))
        elif kind == "flow":
            lines.append(f"{key}: {written(inner)}{draw(_REMARKS)}")
        else:
            lines.append(f"{key}:{draw(_REMARKS)}")
            for one, value in inner.items():
                lines += draw(_BETWEEN)
                lines.append(f"    {written(one)}: {written(value)}{draw(_REMARKS)}")
        paths += [(name, one) for one in inner if kind != "scalar"]
    ending = draw(st.sampled_from(["\n", ""]))
    return "\n".join(lines) + ending, paths


def _set(data: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for name in path[:-1]:
        data = data.setdefault(name, {})
    data[path[-1]] = value
    return data


@examples(80)
@given(_files(), st.data())
def test_an_edit_changes_the_setting_and_no_other_line(made, data):
    text, paths = made
    new = data.draw(_KEYS)
    sections = sorted({path[:1] for path in paths if len(path) == 2})
    path = data.draw(st.sampled_from([*paths, (new, "x"), *((*section, new) for section in sections)]))
    if len(path) == 2 and path[:1] in paths:
        return  # what is a text would become a map
    value = data.draw(_TEXTS)
    after = with_setting(text, path, value)
    expected = yaml_text.load(text)
    _set(expected, path, value)
    assert yaml_text.load(after) == expected
    gone, come = _hunk(text.splitlines(), after.splitlines())
    assert len(gone) <= 1, "one line at most is exchanged"
    assert len(come) <= len(path)
    for remark in ("# a comment of its own", "# an indented one", "# a remark", "# äöü: {odd}, [really] 'so'"):
        assert after.count(remark) >= text.count(remark)


def _hunk(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """What is left of both without the lines they begin and end with alike."""
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return before, after


@examples(50)
@given(_files(), st.data())
def test_taking_away_what_was_added_gives_the_text_back(made, data):
    text, paths = made
    text = text if text.endswith("\n") else f"{text}\n"
    new = data.draw(_KEYS.filter(lambda name: name not in {path[-1] for path in paths} | {path[0] for path in paths}))
    sections = sorted({path[:1] for path in paths if len(path) == 2})
    path = data.draw(st.sampled_from([(new,), (new, "x"), *((*section, new) for section in sections)]))
    assert without_setting(with_setting(text, path, data.draw(_TEXTS)), path) == text
