"""Role names and grades that OneRoster does not have, but nearly.

A provider may send names of its own, so these are not mistakes. `rollcall districts show` remarks on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollcall.model.vocabularies import GRADES, TOKENS
from rollcall.settings.base import nearest_of
from rollcall.settings.district import District


def doubts(district: District) -> dict[str, str]:
    """A remark for each setting with a value that is probably misspelled, by the setting's path."""
    return {path: f"{text}. Keep it only if the SIS sends it" for path, text in _doubts(district)}


def _doubts(district: District) -> Iterator[tuple[str, str]]:
    roles, filters = TOKENS["role"], district.filters
    for role in district.roles:
        if hint := _hint("role", [role], roles):
            yield f"roles.{role}", hint
    if hint := _hint("role", filters.roles, roles):
        yield "filters.roles", hint
    if hint := _hint("grade", filters.grades, GRADES):
        yield "filters.grades", hint


def _hint(kind: str, values: Sequence[str], valid: Sequence[str]) -> str:
    """`OneRoster has no role 'techer' (did you mean 'teacher'?)`; empty if no value is near a valid one."""
    near = {value: nearest_of(value, valid) for value in values if value not in valid and ":" not in value}
    texts = [f"'{value}' (did you mean '{found}'?)" for value, found in near.items() if found]
    return f"OneRoster has no {kind} {' or '.join(texts)}" if texts else ""
