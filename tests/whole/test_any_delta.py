"""In any sequence of nights, a delta maps only the users it affects, with the result of mapping everyone.

The same night is worked out both ways before it is published: the change sets have to be the same, row by row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from rollcall.holds import decisions
from rollcall.landing.change_set import HELD_ROWS_SCHEMA, RESOLVED_HOLD_ROWS_SCHEMA, ChangeSet, change_schema
from rollcall.landing.manifests import load, read_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA, PERSON_FINDINGS_SCHEMA
from rollcall.landing.pull import PullRef
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES
from rollcall.pipeline import affected_users, change_set, run
from rollcall.settings import District
from tests.accounts.cases import rows_of
from tests.conftest import Nights, sequences
from tests.warehouses import Warehouses
from tests.whole.test_any_sequence import NO_GUARD

_PEOPLE = [f"p{number:02}" for number in range(14)]

_role = st.builds(
    lambda role, org, rest: f"{role}@{org}{rest}",
    st.sampled_from(["student", "student", "student", "teacher", "guardian"]),
    st.sampled_from(["north", "north", "south", "annex", "district"]),
    st.sampled_from(
        [
            "",
            "",
            " secondary",
            *(f" until 2026-11-{day:02}" for day in (3, 4, 6)),
            *(f" from 2026-11-{day:02}" for day in (2, 3, 5)),
            " from 2026-11-03 until 2026-11-05",
        ]
    ),
)
_spelled = ["A@x", "B@X", " c@x", "D@x", "", "\u00e9@x", "E\u0301@x", "f\u200b@x", "G \u00a0@x", "\uff48@x", "\u0456@x"]
_name = st.sampled_from([f"{letter}@x" for letter in "abcdefghijklmnopqrst"] + _spelled)
# mostly different ones, because people who share one are mapped together
_identifier = st.sampled_from([*map(str, range(14)), " 1", "2\u00a0", "\t3", "1 ", "", "000", None, None, None])

_person = st.fixed_dictionaries(
    {
        "roles": st.lists(_role, min_size=1, max_size=2, unique_by=lambda said: said.split()[0]).map(", ".join),
        "email": _name,
        "username": _name,
        "identifier": _identifier,
        "given_name": st.sampled_from(["Ada", "Ada", "Ada", "Ben"]),
        "family_name": st.sampled_from(["Elm", "Elm", "elm "]),
        "primary_org_sourced_id": st.sampled_from(["north", "south", None]),
        "grades": st.sampled_from([[], [], ["3"], ["03"], ["04"]]),
        "is_enabled": st.sampled_from([None, True, True, False]),
        "born": st.sampled_from([None, None, date(2012, 3, 4), date(2013, 3, 4)]),
    }
)
_gone = st.just({"status": "tobedeleted", "roles": ""})
_tonight = st.dictionaries(st.sampled_from(_PEOPLE), _person | _person | _person | _gone, max_size=3)

_rules = st.fixed_dictionaries(
    {},
    optional={
        "usernames": st.sampled_from(
            [
                "username",
                {
                    "student": [{"field": "email", "transform": ["trim"], "pattern": ".@x"}, {"field": "identifier"}],
                    "staff": [{"field": "username", "transform": ["trim", "upper"]}],
                },
            ]
        ),
        "sites": st.just({"targets": ["N", "S"], "map": {"north": "N", "south": "S", "annex": "exclude"}}),
        "people": st.sampled_from(
            [
                {"p00": {"exclude": True, "reason": "asked", "until": "2026-11-04"}},
                {"p00": {"exclude": True, "reason": "asked", "from": "2026-11-04"}},
                {"p01": {"username": "A@X", "reason": "asked"}, "zoe": {"exclude": True, "reason": "asked"}},
            ]
        ),
        "person_key": st.sampled_from(["sourcedId", "email", "email"]),
        "filters": st.just({"start_early": "2 days"}),
    },
)


@pytest.mark.hypothesis
def test_any_delta_comes_to_what_mapping_everybody_comes_to(
    warehouses: Warehouses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    monkeypatch.setattr(affected_users, "_MAX_SHARE", 1.0)  # of so few people some are many
    some: list[bool] = []

    @sequences(3)
    @given(st.fixed_dictionaries(dict.fromkeys(_PEOPLE, _person)), st.lists(_tonight, min_size=3, max_size=4), _rules)
    def any_nights(first: dict[str, Any], tonights: list[dict[str, Any]], rules: dict[str, Any]) -> None:
        nights = Nights(warehouses.take(), Landing(str(next(folders))))
        plain = {"district": "elm", "name": "Elm", "version": "1.2", "usernames": "email", **rules}
        nights.district = msgspec.structs.replace(msgspec.convert(plain, District), guards=NO_GUARD)
        nights.publish(rows_of(first))
        _agree_to_everything(nights)
        for tonight in tonights:
            ref = nights.prepare(rows_of(tonight), delta=True)
            with _mapping_everybody():
                everybody = _worked_out(nights, ref)
            with _noting(some):
                assert _worked_out(nights, ref) == everybody
            run.publish_night(nights.engine, nights.district, ref, nights.landing)
            _agree_to_everything(nights)
        warehouses.give_back(nights.engine)

    any_nights()
    assert some.count(True) > len(some) / 3, "nearly always everybody was mapped"


def _worked_out(nights: Nights, ref: PullRef) -> dict[str, Any]:
    made = run.map_night(nights.engine, nights.district, ref, nights.landing)
    folder = ref.folder(nights.landing)
    assert load(folder, ChangeSet) == made
    tables = {
        name: _sorted(read_rows(folder, parts, change_schema(TABLES[name]))) for name, parts in made.parts.items()
    }
    return {
        **tables,
        "found": read_rows(folder, made.person_findings, PERSON_FINDINGS_SCHEMA).to_pylist(),
        "left out": read_rows(folder, made.left_out, LEFT_OUT_SCHEMA).to_pylist(),
        "held": _sorted(read_rows(folder, made.held_rows, HELD_ROWS_SCHEMA)),
        "came back": _sorted(read_rows(folder, made.came_back, RESOLVED_HOLD_ROWS_SCHEMA)),
        "findings": made.findings,
        "holds": made.holds,
        "coverage": made.coverage,
    }


def _sorted(rows: pa.Table) -> list[dict[str, Any]]:
    return sorted(rows.to_pylist(), key=str)


@contextmanager
def _mapping_everybody() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(change_set, "affected_users", lambda *_: None)
        yield


@contextmanager
def _noting(some: list[bool]) -> Iterator[None]:
    """Notes whether only some were mapped."""

    def noted(*args: Any) -> pa.ChunkedArray | None:
        affected = affected_users.affected_users(*args)
        some.append(affected is not None)
        return affected

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(change_set, "affected_users", noted)
        yield


def _agree_to_everything(nights: Nights) -> None:
    """Approves what is held and lets quiet nights carry it out: while anything is held everybody is mapped."""
    living = sa.text("SELECT hold_id FROM roster_ops.holds WHERE closed_at IS NULL ORDER BY hold_id")
    for _ in range(4):
        with nights.engine.begin() as connection:
            holds = list(connection.execute(living).scalars())
            for hold in holds:
                decisions.approve(connection, hold, by="robin", reason="they agreed")
        if not holds:
            return
        nights.publish(rows_of({}), delta=True)
