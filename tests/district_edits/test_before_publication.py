"""Decisions before the first publication: a pull that was not published is enough for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollcall.district_edits.current_roster import current_roster
from rollcall.district_edits.fields import chosen, compare, preview
from rollcall.district_edits.file import DistrictFile
from rollcall.district_edits.impact import compute_impact
from rollcall.district_edits.sites import decide, schools_of
from rollcall.errors import ActionRequired
from rollcall.settings import UsernameSource
from tests.district_edits.conftest import ORGS, roster

SITES = "sites:\n  targets: {L: Lincoln Elementary School, M: Lincoln Middle}\n  map: {south: M}\n"


@pytest.fixture
def read(elm, landing):
    """The roster that decisions see, read with the file as it is."""

    def read_now():
        return current_roster(elm.nights.engine, DistrictFile.of(str(elm.path)).district, landing)

    return read_now


def test_schools_and_fields_are_those_of_the_published_roster(elm, read):
    elm.says(SITES)
    elm.nights.prepare(roster())
    with read() as pulled:
        assert schools_of(pulled).basis
        before = replace(schools_of(pulled), basis=""), compare(pulled)
        assert not pulled.is_published
    elm.publish()
    with read() as published:
        assert published.is_published
        assert before == (schools_of(published), compare(published))


def test_the_impact_of_a_decision_counts_people_who_would_have_accounts(elm, read):
    elm.says(SITES)
    elm.nights.prepare(roster())
    file = DistrictFile.of(str(elm.path))
    with read() as pulled:
        schools = schools_of(pulled)
        edit = decide(file, schools, {"north": "L", "south": "exclude"})
        impact = compute_impact(pulled, file.district, edit.district)
    assert (impact.gain, impact.lose) == (3, 2)
    choice = UsernameSource(field="username", transform=["trim", "lower"])
    with read() as pulled:
        shown = preview(pulled, chosen(pulled.district, choice, ["student", "staff"]), ["student", "staff"])
    assert (shown.published, shown.renamed) == (0, [])
    assert [(part.role, part.with_username) for part in shown.coverage] == [("student", 1), ("staff", 1)]


def test_the_newest_whole_pull_counts_without_deleted_records(elm, read):
    elm.nights.prepare(roster())
    gone = {"status": "tobedeleted"}
    newer = roster([*ORGS, ("new", "New School", "school", "110")])
    newer["orgs"] = [{**org, **(gone if org["sourced_id"] == "annex" else {})} for org in newer["orgs"]]
    newer["users"] = [{**user, **(gone if user["sourced_id"] == "ben" else {})} for user in newer["users"]]
    elm.nights.prepare(newer)
    elm.nights.prepare({"orgs": roster()["orgs"]})  # not enough to decide on
    with read() as pulled:
        schools = {school.sourced_id: school.students for school in schools_of(pulled).schools}
    assert schools == {"north": 1, "south": 1, "new": 0, "office": 0}


def test_require_class_needs_a_pull_with_enrollments(elm, read):
    elm.says("filters: {require_class: true}\n")
    elm.nights.prepare(roster())
    with pytest.raises(ActionRequired) as caught, read():
        pass
    assert caught.value.code == "nothing_pulled"


def test_decisions_before_the_first_publication_lead_to_no_hold(elm, read):
    elm.says(SITES)
    elm.nights.prepare(roster())
    with read() as pulled:
        decide(DistrictFile.of(str(elm.path)), schools_of(pulled), {"north": "L", "annex": "exclude"}).write()
    elm.publish()
    assert elm.nights.scalar("SELECT count(*) FROM roster_ops.holds") == 0
    assert elm.accounts() == {"ada": ["L"], "ben": ["L"], "cid": ["M"], "eve": ["L"], "fay": ["M"]}
