"""Whose data it is: the org that stands for the district, and the pull that is refused because it is another one."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.errors import ActionRequired
from rollcall.extract.pull import Plan
from rollcall.oneroster.records import OrgSummary, district_org

STATE = OrgSummary("s", "state", None, "Oregon")
DISTRICT = OrgSummary("d", "district", "s", "Maple")
LOCAL = OrgSummary("l", "local", "s", "Maple")
SCHOOL = OrgSummary("k", "school", "l", "Klickitat School")


@pytest.mark.parametrize(
    ("orgs", "found"),
    [
        pytest.param([SCHOOL, LOCAL, DISTRICT, STATE], "d", id="district"),
        pytest.param([SCHOOL, LOCAL, STATE], "l", id="local"),
        pytest.param([OrgSummary("l2", "local", "l", "North"), SCHOOL, LOCAL], "l", id="topmost-local"),
        pytest.param([OrgSummary("a", "district", "d", "East"), DISTRICT], "d", id="topmost-district"),
        pytest.param([SCHOOL, OrgSummary("top", "ext:network", None, "Maple")], "top", id="without-parent"),
        pytest.param([OrgSummary("k2", "school", "elsewhere", "Glenwood")], "k2", id="parent-not-shared"),
        pytest.param([OrgSummary("b", "local", "c", "one"), OrgSummary("c", "local", "b", "other")], "b", id="circle"),
        pytest.param([OrgSummary("own", "District", "own", "Maple")], "own", id="its-own-parent"),
        pytest.param([], None, id="none"),
    ],
)
def test_one_org_stands_for_the_district(orgs: list[OrgSummary], found: str | None) -> None:
    org = district_org(orgs)
    assert (org.sourced_id if org else None) == found


@pytest.mark.parametrize(("pinned", "found"), [(None, "a"), ("b", "b"), ("gone", "a")])
def test_of_several_at_the_top_the_pinned_one_stays(pinned: str | None, found: str) -> None:
    org = district_org([OrgSummary("b", "district", None, "Cedar"), OrgSummary("a", "district", None, "Maple")], pinned)
    assert org is not None
    assert org.sourced_id == found


def test_a_pull_of_the_district_that_was_checked_lands(maple: Any) -> None:
    (own,) = [row for row in maple.pull().rows("orgs") if row["type"] == "district"]
    with maple.counting() as asked:
        pulled = maple.pull(plan=Plan("full", pinned_org=own["sourced_id"]))
    assert pulled.counts() == maple.truth()
    assert asked["/orgs"] == 3  # looking where the service is, the page, and behind its end


@pytest.mark.parametrize("collections", [(), ("users",)], ids=["all", "without orgs"])
def test_another_districts_data_is_refused_before_anything_is_landed(collections: tuple[str, ...], maple: Any) -> None:
    with maple.counting() as asked, pytest.raises(ActionRequired) as caught:
        maple.pull(plan=Plan("full", pinned_org="another"), collections=collections)
    assert caught.value.code == "other_district"
    assert caught.value.district == "maple"
    assert caught.value.message.startswith(
        "The connection belonged to Maple Unified School District (sourcedId another) when it was checked. Now it "
        "shows Maple Unified School District (sourcedId "
    )
    assert caught.value.remedy.startswith("Nothing was landed")
    assert "oneroster_maple" in caught.value.remedy
    assert maple.files() == []
    assert set(asked) == {"/orgs"}


def test_a_narrowed_pull_looks_at_the_orgs_and_does_not_land_them(maple: Any) -> None:
    (own,) = [row for row in maple.pull().rows("orgs") if row["type"] == "district"]
    pulled = maple.pull(plan=Plan("full", pinned_org=own["sourced_id"]), collections=["courses"])
    assert pulled.counts() == {"courses": maple.truth()["courses"]}


def test_no_orgs_at_all_are_not_another_districts(maple: Any) -> None:
    with maple.quirks("empty-orgs"):
        pulled = maple.pull(plan=Plan("full", pinned_org="whichever"))
    assert pulled.counts() == maple.truth() | {"orgs": 0}
