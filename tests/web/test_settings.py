"""Settings of a district on the page: shown with who is affected, confirmed, written with comments kept, recorded."""

from __future__ import annotations

import os
import re
import time

import pytest
import sqlalchemy as sa

from rollcall.settings import Nights, load_district
from rollcall.warehouse.ops_models import decisions

SITES = "sites:\n  targets: {N: North, S: South}  # ours\n  map:\n    school: N  # Elm School\n"


@pytest.fixture
def elm(browse, nights, roster, districts_folder):
    """The published district, and its file."""
    path = districts_folder / "elm.yaml"
    path.write_text(path.read_text() + SITES)
    nights.district = load_district(path)
    nights.publish(roster("ada", "ben", "cleo", teacher=True))
    return path


def confirmed(client, path, fields):
    """Confirm what a form showed, as its hidden fields say."""
    shown = client.post(path, data=fields)
    assert shown.status_code == 200, shown.text
    digest = re.search(r'name="confirm" value="(\w+)"', shown.text)[1]
    return shown.text, client.post(path, data={**fields, "confirm": digest})


def recorded(engine):
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(sa.select(decisions.c.action, decisions.c.before, decisions.c.after))
        ]


def test_a_school_is_mapped_to_another_site(browse, elm, engine):
    client = browse("user")
    path = "/rosters/districts/elm/settings/sites"
    assert '<option value="N" selected>' in client.get(path).text
    shown, answer = confirmed(client, path, {"mapping": "map", "site:school": "S"})
    assert "<b>4 people</b>" in shown
    assert "4 move to another site" in shown
    assert 'class="add">+    school: S  # Elm School' in shown
    assert answer.headers["location"] == f"{path}?notice=settings_saved"
    assert "# ours" in elm.read_text()
    assert elm.read_text().startswith("# The file of the tests\n")
    assert load_district(elm).sites.map == {"school": "S"}
    assert recorded(engine) == [("sites_saved", {"sites.map.school": "N"}, {"sites.map.school": "S"})]


def test_a_site_is_added_and_a_school_left_out(browse, elm):
    client = browse("admin")
    path = "/rosters/districts/elm/settings/sites"
    listed = client.post(path, data={"mapping": "map", "new_sites": "W = West", "action": "sites", "site:school": "N"})
    assert '<option value="W">W · West</option>' in listed.text
    _, answer = confirmed(client, path, {"mapping": "map", "new_sites": "W = West", "site:school": "W"})
    assert answer.status_code == 303
    assert load_district(elm).sites.names() == {"N": "North", "S": "South", "W": "West"}
    shown, answer = confirmed(client, path, {"mapping": "map", "site:school": "exclude"})
    assert "4 lose their account" in shown
    assert load_district(elm).sites.map == {"school": "exclude"}
    _, answer = confirmed(client, path, {"mapping": "own"})
    assert load_district(elm).sites is None
    assert client.post(path, data={"mapping": "map", "new_sites": "A\nA", "site:school": "A"}).status_code == 422


def test_suggestions_are_applied_together(browse, nights, roster, districts_folder):
    path = districts_folder / "elm.yaml"
    path.write_text(path.read_text() + "sites: {targets: {E: Elm Sch., O: Other}}\n")
    nights.district = load_district(path)
    nights.publish(roster("ada"))
    client = browse("admin")
    page = "/rosters/districts/elm/settings/sites"
    assert "1 not mapped" in client.get(page).text
    shown = client.post(page, data={"mapping": "map", "action": "suggested", "site:school": ""})
    assert "1 get an account" in shown.text
    assert 'name="site:school" value="E"' in shown.text


def test_username_fields_are_previewed_on_people(browse, elm, nights, engine):
    client = browse("admin")
    path = "/rosters/districts/elm/settings/usernames"
    text = client.get(path).text
    assert 'name="student" value="email" checked' in text
    fields = {"student": "identifier", "student_part": "whole", "staff": "email", "staff_part": "local"}
    shown, answer = confirmed(client, path, fields)
    assert "<b>4</b> of 4 published usernames change" in shown
    assert "Planted-Okonkwo" in shown
    assert answer.status_code == 303
    district = load_district(elm)
    assert district.username_sources("student")[0].field == "identifier"
    assert list(district.username_sources("staff")[0].transform) == ["trim", "lower", "local_part"]
    assert "Planted" not in str(recorded(engine))


def test_roles_and_general_settings(browse, elm, engine):
    client = browse("admin")
    shown, _ = confirmed(client, "/rosters/districts/elm/settings/roles", {"role:teacher": "exclude"})
    assert "1 lose their account" in shown
    assert load_district(elm).role_target("teacher") == "exclude"
    fields = {
        "name": "Elm Unified", "enabled": "", "timezone": "America/Denver", "nightly": "at", "at": "03:05",
        "full_on": "monday", "publish_by": "06:30",
    }  # fmt: skip
    shown, _ = confirmed(client, "/rosters/districts/elm/settings", fields)
    assert "Nightly runs stop." in shown
    district = load_district(elm)
    assert (district.enabled, district.schedule.nightly, district.schedule.full_on) == (False, "5 3 * * *", "monday")
    assert (district.schedule.timezone, district.schedule.publish_by) == ("America/Denver", "06:30")
    assert [action for action, _, _ in recorded(engine)] == ["roles_saved", "settings_saved"]
    same = client.post("/rosters/districts/elm/settings", data=fields)
    assert same.headers["location"].endswith("notice=nothing_changed")


@pytest.mark.parametrize("zone", ["US/Central", "Etc/UTC", "Europe/Paris", "UTC"])
def test_a_time_zone_stays_what_the_file_says(browse, elm, zone):
    elm.write_text(elm.read_text().replace("timezone: UTC", f"timezone: {zone}"))
    client = browse("admin")
    path = "/rosters/districts/elm/settings"
    (chosen,) = re.findall(r'<option value="([^"]+)" selected>', client.get(path).text.partition("</select>")[0])
    assert chosen == zone
    general = {"name": "Elm Unified", "enabled": "yes", "nightly": "spread", "full_on": "sunday"}
    assert client.post(path, data={**general, "timezone": chosen}).headers["location"].endswith("nothing_changed")


def test_two_people_save_at_once_and_nothing_is_lost(browse, elm):
    first, second = browse("admin"), browse("op")
    path = "/rosters/districts/elm/settings"
    general = {"name": "Elm Unified", "enabled": "yes", "timezone": "UTC", "nightly": "spread", "full_on": "sunday"}
    digest = re.search(r'name="digest" value="(\w+)"', second.get(path).text)[1]
    mine = second.post(path, data={**general, "full_on": "friday", "digest": digest})
    confirm = re.search(r'name="confirm" value="(\w+)"', mine.text)[1]
    _, answer = confirmed(first, f"{path}/sites", {"mapping": "map", "site:school": "S"})
    assert answer.status_code == 303
    conflict = second.post(path, data={**general, "full_on": "friday", "confirm": confirm})
    assert conflict.status_code == 409
    assert "adam" in conflict.text
    assert "sites.map.school: S" in conflict.text
    assert load_district(elm).schedule.full_on == "sunday"
    confirm = re.search(r'name="confirm" value="(\w+)"', conflict.text)[1]
    assert second.post(path, data={**general, "full_on": "friday", "confirm": confirm}).status_code == 303
    district = load_district(elm)
    assert (district.schedule.full_on, district.sites.map) == ("friday", {"school": "S"})


def test_a_read_only_folder_gives_the_file(browse, elm, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    client = browse("admin")
    path = "/rosters/districts/elm/settings/sites"
    assert "read-only here" in client.get(path).text
    before = elm.read_text()
    shown = client.post(path, data={"mapping": "map", "site:school": "S"})
    digest = re.search(r'name="confirm" value="(\w+)"', shown.text)[1]
    fields = {"mapping": "map", "site:school": "S", "confirm": digest}
    assert client.post(path, data=fields).status_code == 200
    file = client.post(path, data={**fields, "download": "yes"})
    assert file.text == before.replace("school: N", "school: S")
    assert elm.read_text() == before


def test_what_is_not_pulled_yet_leads_to_a_dry_run(browse):
    for section in ("sites", "usernames"):
        assert 'value="dry_run"' in browse("admin").get(f"/rosters/districts/elm/settings/{section}").text


def test_a_value_that_cannot_be_is_explained(browse, elm):
    fields = {"name": "Elm", "enabled": "yes", "timezone": "UTC", "nightly": "spread", "full_on": "someday"}
    answer = browse("admin").post("/rosters/districts/elm/settings", data=fields)
    assert answer.status_code == 422
    assert "full_on" in answer.text


def test_a_second_save_before_airflow_has_parsed_the_first(browse, elm):
    client = browse("admin")
    path = "/rosters/districts/elm/settings/sites"
    answers = [confirmed(client, path, {"mapping": "map", "site:school": site})[1] for site in ("S", "N", "S")]
    assert [answer.status_code for answer in answers] == [303, 303, 303]


def test_people_are_mapped_only_for_a_person_who_looks(browse, elm, monkeypatch):
    """Mapping a large district takes seconds. A confirmed change was shown already, and a file has no numbers."""
    from rollcall.web import settings_sections

    mapped, read = [], []
    impact, roster = settings_sections.compute_impact, settings_sections.current_roster
    monkeypatch.setattr(settings_sections, "compute_impact", lambda *of: mapped.append(of) or impact(*of))
    monkeypatch.setattr(settings_sections, "current_roster", lambda *of: read.append(of) or roster(*of))
    client = browse("admin")
    path, fields = "/rosters/districts/elm/settings/sites", {"mapping": "map", "site:school": "S"}
    assert client.post(path, data=fields | {"download": "yes"}).status_code == 200
    assert (len(mapped), len(read)) == (0, 1)
    shown = client.post(path, data=fields)
    assert (len(mapped), len(read)) == (1, 2)
    digest = re.search(r'name="confirm" value="(\w+)"', shown.text)[1]
    assert client.post(path, data=fields | {"confirm": digest}).status_code == 303
    assert (len(mapped), len(read)) == (1, 3)


def test_a_changed_schedule_counts_at_once_in_the_list_of_districts(browse, elm, nights):
    as_of = nights.scalar("SELECT current_as_of FROM roster_ops.state")
    before = nights.scalar("SELECT late_from FROM roster_ops.state")
    general = {"name": "Elm Unified", "enabled": "yes", "timezone": "Pacific/Honolulu", "nightly": "spread"}
    _, answer = confirmed(browse("admin"), "/rosters/districts/elm/settings", general | {"full_on": "sunday"})
    assert answer.status_code == 303
    after = nights.scalar("SELECT late_from FROM roster_ops.state")
    assert after == Nights(load_district(elm)).late_from(as_of) != before


def test_who_changed_the_file_last_here_or_elsewhere(browse, elm):
    client, path = browse("admin"), "/rosters/districts/elm/settings"
    assert "not on this page" in client.get(path).text  # a file that was there before
    general = {"name": "Elm District", "enabled": "yes", "timezone": "UTC", "nightly": "spread", "full_on": "sunday"}
    assert confirmed(client, path, general)[1].status_code == 303
    text = client.get(path).text
    assert "Last saved on this page by adam" in text
    assert "not on this page" not in text
    later = time.time() + 600
    os.utime(elm, (later, later))
    assert "not on this page" in client.get(path).text
