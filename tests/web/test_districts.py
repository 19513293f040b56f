"""All districts: totals, filters, pages, and only what a user may see."""

from __future__ import annotations

import pytest

from rollcall.status.overview import SORTS, KnownDistrict, overview


def test_a_published_district_is_one_row(browse, nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada", "ben", "cleo"))
    text = browse("viewer").get("/rosters/").text
    assert "No action needed." not in text  # it is of early November: late
    assert text.count('<th scope="row">') == 1
    assert 'data-label="Accounts">3 <span class="change">+1</span>' in text


def test_filters_search_and_sort(browse, nights, roster, districts_folder):
    nights.publish(roster("ada"))
    for name in ("oak", "ash"):
        text = (districts_folder / "elm.yaml").read_text().replace("elm", name).replace("Elm", name.title())
        (districts_folder / f"{name}.yaml").write_text(text)
    (districts_folder / "bad.yaml").write_text("district: bad\nnmae: Bad\n")
    client = browse("viewer")

    def rows(query: str) -> list[str]:
        text = client.get(f"/rosters/?{query}").text
        return [part.split('"')[0] for part in text.split('scope="row"><a href="/rosters/districts/')[1:]]

    assert rows("") == ["elm", "bad", "ash", "oak"]
    assert rows("state=never") == ["ash", "oak"]
    assert rows("state=never&state=broken&sort=name") == ["ash", "bad", "oak"]
    assert rows("q=OAK") == ["oak"]
    assert rows("q=unified") == ["elm", "ash", "oak"]
    assert rows("q=%25") == []
    assert rows("sort=nonsense&page=none&state=nonsense") == ["elm", "bad", "ash", "oak"]


@pytest.mark.parametrize("number", ["0", "-1", "\u00b2", "\u0661", "9" * 30, "", "2"])
@pytest.mark.parametrize("path", ["/rosters/", "/rosters/districts/elm/left-out"])
def test_any_page_number_is_a_page(browse, path, number):
    assert browse("user").get(path, params={"page": number}).status_code == 200


@pytest.mark.parametrize("sort", SORTS)
def test_districts_of_one_name_are_in_one_order(engine, sort):
    """Else a district is on two pages, and another on none."""
    known = [KnownDistrict(key, "Lincoln") for key in ("c", "a", "d", "b")]
    with engine.connect() as connection:
        pages = [overview(connection, known, sort=sort, page=number, size=2) for number in (1, 2)]
    assert [row.district_id for page in pages for row in page.rows] == ["a", "b", "c", "d"]


def test_provider_text_is_data(browse, nights, roster, districts_folder):
    """A name with markup and a right-to-left override."""
    text = (districts_folder / "elm.yaml").read_text()
    (districts_folder / "elm.yaml").write_text(text.replace("Elm Unified", '"<script>x</script>\\u202E"'))
    shown = browse("viewer").get("/rosters/").text
    assert "&lt;script&gt;x&lt;/script&gt;\ufffd" in shown
    assert "<script>x" not in shown


def test_the_tab_of_a_dag_leads_to_its_district(browse):
    client = browse("viewer")
    assert client.get("/rosters/dags/roster_elm").headers["location"] == "/rosters/districts/elm"
    assert client.get("/rosters/dags/roster_holds").headers["location"] == "/rosters/"
