"""Rejected is not gone (rule 2), case by case, on a full pull and on a delta, from landed records to tables."""

from __future__ import annotations

import pytest

from rollcall.settings import RuleChange
from rollcall.settings.sections import Floor, Guards

TOMBSTONE = {"status": "tobedeleted"}

_BOTH = "demographics user_removed info 1, enrollments user_removed info 1"

on_each_pull = pytest.mark.parametrize("delta", [False, True], ids=["full", "delta"])


def _rejects(nights):
    listed = "string_agg(sourced_id || ' ' || rule, ', ' ORDER BY sourced_id)"
    return nights.scalar(f"SELECT {listed} FROM roster_ops.rejects WHERE run_id = 'run{nights.count}'")


def _findings(nights):
    """Findings of tonight about removed owners."""
    listed = "string_agg(concat_ws(' ', collection, rule, severity, count), ', ' ORDER BY collection)"
    of_run = f"run_id = 'run{nights.count}' AND rule LIKE '%_removed'"
    return nights.scalar(f"SELECT {listed} FROM roster_ops.findings WHERE {of_run}")


def _tonight(rows, delta, **changed):
    """Everything, or of people, classes and enrollments only what changed."""
    kept = (
        {**rows}
        if not delta
        else {name: [] for name in rows} | {name: rows[name] for name in ("orgs", "academic_sessions")}
    )
    return {**kept, **changed}


@on_each_pull
def test_an_unreadable_id_proves_no_absence_that_night(pulled, nights, roster, delta):
    pulled(roster("ada", "ben"))
    for _ in range(2):
        done = pulled(_tonight(roster("ada"), delta), delta=delta, unreadable={"users": [None]})
    assert (done.counts["users"].rejected, done.counts["users"].missing, done.counts["users"].removed) == (1, 0, 0)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]
    assert nights.live("accounts", "username") == ["ada@elm.example", "ben@elm.example"]


@on_each_pull
def test_an_unreadable_record_of_a_known_id_keeps_its_published_version(pulled, nights, roster, delta):
    pulled(roster("ada", "ben"))
    for _ in range(2):
        done = pulled(_tonight(roster("ada"), delta), delta=delta, unreadable={"users": ["ben"]})
    assert (done.counts["users"].missing, done.counts["users"].removed) == (0, 0)
    assert nights.live("users", "sourced_id") == ["ada", "ben"]


@on_each_pull
@pytest.mark.parametrize("wrong", [{"status": "gone"}, {"sourced_id": "ben", "status": "GONE", "given_name": None}])
def test_a_refused_record_keeps_its_published_version_with_roles_and_enrollments(pulled, nights, roster, delta, wrong):
    pulled(roster("ada", "ben"))
    rows = roster("ada", "ben")
    rows["users"][1].update(wrong, family_name="Not-To-Be-Published")
    done = pulled(_tonight(rows, delta, users=rows["users"][1:] if delta else rows["users"]), delta=delta)
    assert _rejects(nights) == "ben status_unknown"
    assert (done.counts["users"].rejected, done.counts["users"].missing, done.counts["users"].removed) == (1, 0, 0)
    assert nights.live("users", "sourced_id", "family_name") == [("ada", "Planted-Okonkwo"), ("ben", "Planted-Okonkwo")]
    assert nights.live("user_roles", "user_sourced_id") == ["ada", "ben"]
    assert nights.live("enrollments", "sourced_id") == ["e-ada", "e-ben"]


@on_each_pull
def test_a_bare_tombstone_needs_only_sourced_id_and_status(pulled, nights, roster, delta):
    pulled(roster("ada", "ben"))
    users = [{"sourced_id": "ben", **TOMBSTONE}]
    rows = roster("ada")
    done = pulled(_tonight(rows, delta, users=users if delta else rows["users"] + users), delta=delta)
    assert (done.counts["users"].removed, done.counts["users"].rejected) == (1, 0)
    assert nights.live("users", "sourced_id") == ["ada"]
    assert nights.live("enrollments", "sourced_id") == ["e-ada"]
    assert _rejects(nights) is None


@on_each_pull
def test_enrollments_of_a_rejected_class_resolve_by_its_published_version(pulled, nights, roster, delta):
    pulled(roster("ada"))
    rows = roster("ada", "ben")
    rows["classes"][0]["status"] = "gone"
    done = pulled(rows, delta=delta)
    assert _rejects(nights) == "maths-1 status_unknown"
    assert (done.counts["enrollments"].added, done.counts["enrollments"].rejected) == (1, 0)
    assert nights.live("enrollments", "class_sourced_id") == ["maths-1", "maths-1"]


@on_each_pull
def test_enrollments_of_a_rejected_class_that_was_never_published_wait_for_it(pulled, nights, roster, delta):
    pulled({**roster("ada"), "enrollments": []})
    rows = roster("ada")
    rows["classes"].append({"sourced_id": "art-1", "title": "Art", "status": "gone", "school_sourced_id": "school"})
    rows["enrollments"] = [{**rows["enrollments"][0], "class_sourced_id": "art-1"}]
    done = pulled(rows, delta=delta)
    assert _rejects(nights) == "art-1 status_unknown, e-ada class_refused"
    assert done.counts["enrollments"].rejected == 1
    rows["classes"][1]["status"] = "active"
    assert pulled(rows, delta=delta).counts["enrollments"].added == 1


@on_each_pull
def test_enrollments_of_a_removed_person_go_along_and_are_no_reject_while_they_come(pulled, nights, roster, delta):
    pulled({**roster("ada", "ben"), "demographics": [{"sourced_id": "ben", "sex": "male"}]})
    rows = {**roster("ada", "ben"), "demographics": [{"sourced_id": "ben", "sex": "male"}]}
    rows["users"][1] = {"sourced_id": "ben", **TOMBSTONE}
    rows["user_roles"] = rows["user_roles"][:1]
    done = pulled(rows, delta=delta)
    assert (_rejects(nights), _findings(nights)) == (None, _BOTH)
    assert (done.counts["enrollments"].removed, done.counts["enrollments"].rejected) == (1, 0)
    assert (nights.live("enrollments", "sourced_id"), nights.live("demographics", "sourced_id")) == (["e-ada"], [])
    kept = {"enrollments": rows["enrollments"], "demographics": rows["demographics"]}
    again = pulled(_tonight(rows, delta, users=rows["users"][:1], **kept), delta=delta)
    assert (_rejects(nights), _findings(nights)) == (None, _BOTH)
    assert (again.counts["enrollments"].removed, again.counts["enrollments"].missing) == (0, 0)


@on_each_pull
def test_enrollments_of_somebody_who_is_held_are_taken_like_any_other(pulled, nights, roster, delta):
    """No one is removed, so no finding says so, and their records are published."""
    nights.settings(guards=Guards(floor=Floor(people=0)))
    pulled({**roster("ada", "ben"), "demographics": [{"sourced_id": "ben", "sex": "male"}]})
    rows = {**roster("ada", "ben"), "demographics": [{"sourced_id": "ben", "sex": "female"}]}
    rows["users"][1] = {"sourced_id": "ben", **TOMBSTONE}
    rows["user_roles"] = rows["user_roles"][:1]
    rows["enrollments"][1]["role"] = "aide"
    rows["enrollments"].append({**rows["enrollments"][1], "sourced_id": "e-ben-2"})
    done = pulled(rows, delta=delta)
    assert [(hold.collection, hold.rows) for hold in done.holds] == [("users", 1)]
    assert (_rejects(nights), _findings(nights)) == (None, None)
    found = done.counts["enrollments"]
    assert (found.changed, found.added, found.removed, found.rejected, found.held) == (1, 1, 0, 0, 0)
    assert done.counts["demographics"].changed == 1
    taken = [("e-ada", "student"), ("e-ben", "aide"), ("e-ben-2", "aide")]
    assert nights.live("enrollments", "sourced_id", "role") == taken
    assert nights.live("demographics", "sex") == ["female"]
    assert pulled(rows, delta=delta).counts["enrollments"].touched() == 0


@on_each_pull
def test_enrollments_of_somebody_outside_the_scope_say_the_likely_cause(pulled, nights, roster, delta):
    pulled(roster("ada"))
    rows = roster("ada", "ghost")
    rows["users"], rows["user_roles"] = rows["users"][:1], rows["user_roles"][:1]
    done = pulled(rows, delta=delta)
    assert _rejects(nights) == "e-ghost orphan_user"
    reason = nights.scalar("SELECT reason FROM roster_ops.rejects")
    assert "outside the connection's school scope" in reason
    assert nights.scalar("SELECT field FROM roster_ops.rejects") == "user"
    assert done.counts["enrollments"].rejected == 1


@on_each_pull
def test_enrollments_of_somebody_not_in_a_delta_resolve_by_who_is_published(pulled, nights, roster, delta):
    pulled(roster("ada", "ben"))
    rows = roster("ada", "ben")
    rows["enrollments"].append({**rows["enrollments"][1], "sourced_id": "e-ben-2", "role": "student"})
    done = pulled(
        _tonight(rows, delta, enrollments=rows["enrollments"][2:] if delta else rows["enrollments"]), delta=delta
    )
    assert (done.counts["enrollments"].added, done.counts["enrollments"].rejected) == (1, 0)


@on_each_pull
def test_a_new_class_refused_by_a_raised_rule_takes_its_terms_and_enrollments_along(pulled, nights, roster, delta):
    pulled(roster("ada"))
    nights.settings(rules={"classes.orphan_school": RuleChange(severity="critical", reason="No school, no class.")})
    rows = roster("ada")
    rows["classes"].append({**rows["classes"][0], "sourced_id": "maths-2", "school_sourced_id": "elsewhere"})
    rows["class_terms"].append({"class_sourced_id": "maths-2", "term_sourced_id": "year"})
    rows["enrollments"].append({**rows["enrollments"][0], "sourced_id": "e-2", "class_sourced_id": "maths-2"})
    pulled(rows, delta=delta)
    assert _rejects(nights) == "e-2 class_refused, maths-2 orphan_school"
    assert nights.live("class_terms", "class_sourced_id") == ["maths-1"]
