"""Who moves while their new name is held: they keep what they have, and an approval puts it into effect."""

from __future__ import annotations

import msgspec

from rollcall.holds import decisions
from rollcall.settings import District

_SOURCES = [{"field": "email"}, {"field": "identifier"}]
_DISTRICT = {
    "district": "elm",
    "name": "Elm",
    "version": "1.2",
    "usernames": {"student": _SOURCES, "staff": _SOURCES},
    "sites": {"targets": {"N": "North", "S": "South"}, "map": {"school": "N", "south": "S"}},
}


def test_who_moves_with_a_name_that_is_held_keeps_the_account_they_have_until_it_is_approved(nights, roster):
    nights.district = msgspec.convert(_DISTRICT, District)
    rows = roster("ada", "ben")
    rows["orgs"].append({"sourced_id": "south", "name": "South School", "type": "school"})
    nights.publish(rows)
    rows["users"][0]["email"] = None
    rows["user_roles"][0] |= {"org_sourced_id": "south", "role_key": "student|south|"}
    done = nights.publish(rows)
    assert [(hold.kind, hold.rows) for hold in done.holds] == [("usernames", 1)]
    accounts = ("accounts", "user_sourced_id", "site_id", "username")
    assert nights.live(*accounts) == [("ada", "N", "ada@elm.example"), ("ben", "N", "ben@elm.example")]
    assert nights.scalar("SELECT count(*) FROM roster_ops.left_out") == 0
    hold = nights.scalar("SELECT hold_id FROM roster_ops.holds WHERE closed_at IS NULL")
    with nights.engine.begin() as connection:
        assert decisions.approve(connection, hold, by="robin", reason="yes").approved == 1
    nights.publish(rows)
    assert nights.live(*accounts) == [("ada", "S", "id-ada"), ("ben", "N", "ben@elm.example")]
    assert nights.scalar("SELECT count(*) FROM roster_ops.holds WHERE closed_at IS NULL") == 0
