"""Records and roles that share a key lose nothing on their way to accounts, on a full pull and on a delta."""

from __future__ import annotations

import pytest

from tests.changes.test_rule_2 import _rejects, _tonight, on_each_pull

SCHOOLS = [{"sourced_id": name, "name": name.title(), "type": "school"} for name in ("school", "annex")]


@on_each_pull
@pytest.mark.parametrize("order", [1, -1])
def test_a_registration_of_two_days_takes_no_account_away(pulled, nights, roster, delta, order):
    """The entry that goes on is there under the same school, role and begin date."""
    rows = roster("ada", "ben")
    for role in rows["user_roles"]:
        role["begin_date"] = "2026-08-15"
    pulled(rows)
    stint = rows["user_roles"][0] | {"end_date": "2026-08-17"}
    goes_on = rows["user_roles"][0] | {"role_type": "secondary"}
    tonight = _tonight(rows, delta, user_roles=[*[stint, goes_on][::order], rows["user_roles"][1]])
    tonight["users"] = rows["users"]

    done = pulled(tonight, delta=delta)

    assert (done.status, done.exit_code) == ("published", 0)
    assert nights.live("accounts", "user_sourced_id") == ["ada", "ben"]
    assert nights.live("user_roles", "user_sourced_id", "end_date", "role_type") == [
        ("ada", None, "secondary"),
        ("ben", None, "primary"),
    ]


@on_each_pull
@pytest.mark.parametrize("order", [1, -1])
def test_a_pupil_who_comes_once_per_school_has_an_account_at_each(pulled, nights, roster, delta, order):
    rows = roster("ada", "ben") | {"orgs": SCHOOLS}
    pulled(rows)
    ada, ben = rows["users"]
    there = ada | {"primary_org_sourced_id": "annex", "grades": '["06"]'}
    roles = [*rows["user_roles"], rows["user_roles"][0] | {"org_sourced_id": "annex", "role_type": "secondary"}]
    tonight = _tonight(rows, delta, user_roles=roles) | {"users": [*[ada | {"grades": '["05"]'}, there][::order], ben]}

    done = pulled(tonight, delta=delta)

    assert done.status == "published"
    assert nights.live("accounts", "user_sourced_id", "site_id") == [
        ("ada", "annex"),
        ("ada", "school"),
        ("ben", "school"),
    ]
    assert sorted(nights.live("users", "grades")[0]) == ["05", "06"]
    assert _rejects(nights) == "ada sourced_id_disputed"
    assert (done.counts["users"].rejected, done.counts["users"].missing, done.counts["users"].removed) == (1, 0, 0)
