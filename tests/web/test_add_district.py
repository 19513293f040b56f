"""Add a district on the page, against a real provider: from its text to a file, a connection, and a DAG to come."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.landing.zone import Landing
from rollcall.onboarding.preview_pull import pull_preview
from rollcall.onboarding.recognition import parse_credentials
from rollcall.retention.folders import DistrictFolder
from rollcall.settings import District, ExtractSettings, load_district
from rollcall.status.digest import apply_retention
from tests.web.draft_steps import BIRCH, CEDAR, after_test, follow, outcomes, text_of, until


def test_from_the_text_to_a_saved_district(browse, sandbox, districts_folder, engine):
    client = browse("op")
    draft = follow(client, "/rosters/add", text=text_of(sandbox, BIRCH))
    shown = client.get(draft).text
    assert BIRCH.client_id in shown
    assert BIRCH.client_secret not in shown
    assert f"{BIRCH.client_secret[:4]}… ({len(BIRCH.client_secret)} characters)" in shown
    follow(client, draft)
    passed = until(client, f"{draft}/test")
    steps = outcomes(passed)
    assert (steps["Sign-in"], steps["Users"], steps["District"]) == ("pass", "pass", "pass")
    assert "Data we can read" in passed

    choose = until(client, f"{draft}/district")
    assert 'name="district" type="text" value="birch"' in choose
    best = dict(re.findall(r'name="(student|staff)" value="(.*?)" checked', choose))
    assert best.keys() == {"student", "staff"}, choose
    assert "••••" in choose
    fields = {"name": "Birch Unified", "district": "birch", "timezone": "America/Denver"}
    assert follow(client, f"{draft}/district", student="email", staff="username", **fields) == f"{draft}/sites"
    schools = re.findall(r'<span class="dim id">(.*?)</span>', client.get(f"{draft}/sites").text)
    assert len(schools) >= 3
    names = re.search(r"<textarea id=\"sites\".*?>(.*?)</textarea>", client.get(f"{draft}/sites").text, re.S)[1]
    listed = client.post(f"{draft}/sites", data={"mapping": "map", "sites": names, "action": "suggested"}).text
    chosen = dict(re.findall(r'name="site:([^"]+)">(?:(?!</select>).)*?value="([^"]+)" selected', listed, re.S))
    assert len(chosen) == 4
    offices = set(schools) - set(chosen)
    left = sorted(chosen)[0]
    mapped = {f"site:{key}": "" if key == left else site for key, site in chosen.items()}
    assert follow(client, f"{draft}/sites", mapping="map", sites=names, **mapped) == f"{draft}/review"
    review = client.get(f"{draft}/review").text
    assert "1 school, 2 offices not mapped." in review
    assert "accounts:" in review
    assert BIRCH.client_secret not in review
    assert follow(client, f"{draft}/review") == "/rosters/districts/birch/added"

    district = load_district(districts_folder / "birch.yaml")
    assert (district.name, district.version, district.schedule.timezone) == ("Birch Unified", "1.2", "America/Denver")
    assert [district.username_sources(role)[0].field for role in ("student", "staff")] == ["email", "username"]
    assert {key for key, site in district.sites.map.items() if site == "undecided"} == {left, *offices}
    stored = client.get("/api/v2/connections/oneroster_birch").json()
    assert (stored["host"], stored["login"], stored["port"]) == (sandbox.base_url("birch"), BIRCH.client_id, 0)
    assert client.get("/rosters/districts/birch/added").status_code == 200
    assert client.get(draft).status_code == 404
    with engine.connect() as connection:
        decided = connection.execute(sa.text("SELECT action, decided_by FROM roster_ops.decisions")).all()
        assert {tuple(row) for row in decided} == {("district_added", "olive"), ("connection_stored", "olive")}
        profile = connection.execute(sa.text("SELECT district_id, passed FROM roster_ops.provider_profiles")).one()
        assert tuple(profile) == ("birch", True)


def test_saving_asks_for_the_dag_and_leaves_no_secret_anywhere(browse, sandbox, engine, caplog):
    from airflow.models.dagbag import DagPriorityParsingRequest
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH)
    until(client, f"{draft}/district")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT row_to_json(d)::text FROM roster_ops.drafts d")).scalars().all()
    assert BIRCH.client_secret not in "".join(rows)
    assert follow(client, f"{draft}/district", name="Birch", district="birch", timezone="UTC") == f"{draft}/sites"
    assert follow(client, f"{draft}/sites", mapping="own") == f"{draft}/review"
    follow(client, f"{draft}/review")
    with create_session() as session:
        requested = {row.relative_fileloc for row in session.query(DagPriorityParsingRequest)}
        logged = "".join(f"{row.event} {row.extra}" for row in session.query(Log))
    assert requested == {"roster_districts.py"}
    assert "rosters.district_added" in logged
    with engine.connect() as connection:
        kept = "".join(connection.execute(sa.text("SELECT row_to_json(d)::text FROM roster_ops.decisions d")).scalars())
        assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.drafts")).scalar() == 0
    for place in (logged, kept, caplog.text):
        assert BIRCH.client_secret not in place


def test_a_consumer_key_is_a_district_of_oneroster_1_1(browse, sandbox, districts_folder):
    client = browse("admin")
    draft = after_test(client, sandbox, CEDAR)
    until(client, f"{draft}/district")
    assert follow(client, f"{draft}/district", name="Cedar", district="cedar", timezone="UTC") == f"{draft}/sites"
    follow(client, f"{draft}/sites", mapping="own")
    follow(client, f"{draft}/review")
    district = load_district(districts_folder / "cedar.yaml")
    assert (district.version, district.sites) == ("1.1", None)
    extra = json.loads(client.get("/api/v2/connections/oneroster_cedar").json()["extra"])
    assert extra["auth"] == "oauth1"


def test_a_wrong_secret_shows_what_to_do_and_saving_needs_a_reason(browse, sandbox, districts_folder, engine):
    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH, secret="not-the-secret-of-this-district")
    failed = client.get(f"{draft}/test").text
    assert outcomes(failed)["Sign-in"] == "fail"
    assert "What to do in Infinite Campus" in failed
    assert "OneRoster connection of Birch: not working yet" in failed
    assert "11 more steps" in failed
    assert client.get(f"{draft}/district").headers["location"] == f"{draft}/test"
    assert client.get(f"{draft}/review").headers["location"] == f"{draft}/district"
    assert client.post(f"{draft}/review").status_code == 422
    assert client.post(f"{draft}/test", data={"reason": " "}).status_code == 422
    assert not (districts_folder / "birch.yaml").exists()

    assert follow(client, f"{draft}/test", reason="The district opens its firewall on Monday.") == f"{draft}/district"
    fields = {"name": "Birch Unified", "district": "birch", "timezone": "UTC"}
    follow(client, f"{draft}/district", **fields)
    follow(client, f"{draft}/sites", mapping="own")
    follow(client, f"{draft}/review")
    with engine.connect() as connection:
        query = "SELECT reason FROM roster_ops.decisions WHERE action = 'district_added'"
        assert connection.execute(sa.text(query)).scalar() == "The district opens its firewall on Monday."


def test_a_corrected_secret_is_tested_again(browse, sandbox):
    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH, secret="not-the-secret-of-this-district")
    assert follow(client, draft, secret=BIRCH.client_secret, token_url=sandbox.token_url("birch")) == f"{draft}/test"
    assert outcomes(until(client, f"{draft}/test"))["Sign-in"] == "pass"


@pytest.mark.parametrize(
    ("fields", "missing"),
    [({"text": "Client ID: InfiniteCampus_x-1"}, "Client Secret"), ({"text": "hello"}, ""), ({}, "")],
)
def test_what_is_missing_is_named(browse, sandbox, fields, missing):
    client = browse("admin")
    answer = client.post("/rosters/add", data=fields)
    if not missing:
        assert answer.status_code == 422
        return
    answer = client.post(answer.headers["location"])
    assert answer.status_code == 422
    assert f"{missing}" in re.search(r"Missing: (.*?)\.", answer.text)[1]


def test_another_person_does_not_see_a_draft(browse, sandbox):
    draft = follow(browse("admin"), "/rosters/add", text=text_of(sandbox, BIRCH))
    assert browse("op").get(draft).status_code == 404
    assert browse("admin").get(draft).status_code == 200


@pytest.mark.parametrize("name", ["elm", "Birch", "morning", ""])
def test_an_id_that_cannot_be_is_refused(browse, sandbox, name):
    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH)
    answer = client.post(f"{draft}/district", data={"name": "Birch", "district": name, "timezone": "UTC"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_people_that_were_read_for_a_draft_go_with_it(browse, sandbox, nights, engine):
    """Under another ID they are of no use; and a draft that nobody finishes ends after a day."""
    client = browse("admin")
    for name, ended_by in (("birch", "the next draft"), ("birch", "the morning"), ("beech", "saving")):
        draft = after_test(client, sandbox, BIRCH)
        until(client, f"{draft}/district")
        assert len(nights.landing.pulls("birch")) == 1
        follow(client, f"{draft}/district", name="Birch", district=name, timezone="UTC")
        follow(client, f"{draft}/sites", mapping="own")
        if ended_by != "saving":
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE roster_ops.drafts SET created_at = now() - interval '25 hours'"))
            assert client.get(f"{draft}/review").status_code == 404
            if ended_by == "the morning":
                url = engine.url
                host = url.query.get("host") or url.host
                apply_retention(
                    SimpleNamespace(
                        host=host, schema=url.database, login=url.username, password=url.password, port=url.port
                    )
                )
                with engine.connect() as connection:
                    assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.drafts")).scalar() == 0
            else:
                follow(client, "/rosters/add", text=text_of(sandbox, BIRCH))
            assert nights.landing.pulls("birch") == []
            with engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM roster_ops.drafts"))
        else:
            follow(client, f"{draft}/review")
            assert nights.landing.pulls("birch") == []


def test_a_landing_zone_that_deletes_nothing_does_not_undo_what_is_saved(
    browse, sandbox, nights, districts_folder, monkeypatch
):
    """People that were read for a draft could not be deleted: the saved district was an error page."""

    def refuse(*_):
        raise RollcallError("files_in_use", "A run writes.", remedy="Wait.")

    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH)
    until(client, f"{draft}/district")
    follow(client, f"{draft}/district", name="Birch", district="beech", timezone="UTC")
    follow(client, f"{draft}/sites", mapping="own")
    with monkeypatch.context() as patched:
        patched.setattr(DistrictFolder, "delete_pull", refuse)
        follow(client, f"{draft}/review")
    assert load_district(districts_folder / "beech.yaml").name == "Birch"
    assert len(nights.landing.pulls("birch")) == 1


def test_an_existing_connection_is_replaced_only_if_confirmed(browse, sandbox):
    client = browse("admin")
    body = {"connection_id": "oneroster_birch", "conn_type": "oneroster", "host": "http://127.0.0.1:1/"}
    assert client.post("/api/v2/connections", json=body).status_code == 201
    draft = after_test(client, sandbox, BIRCH)
    follow(client, f"{draft}/district", name="Birch", district="birch", timezone="UTC")
    follow(client, f"{draft}/sites", mapping="own")
    assert 'name="replace"' in client.get(f"{draft}/review").text
    assert client.post(f"{draft}/review").status_code == 422
    assert client.get("/api/v2/connections/oneroster_birch").json()["host"] == "http://127.0.0.1:1/"
    follow(client, f"{draft}/review", replace="yes")
    assert client.get("/api/v2/connections/oneroster_birch").json()["host"] == sandbox.base_url("birch")


def test_a_read_only_folder_gives_the_file_to_commit(browse, sandbox, districts_folder, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH)
    follow(client, f"{draft}/district", name="Birch", district="birch", timezone="UTC")
    follow(client, f"{draft}/sites", mapping="own")
    assert "read-only here" in client.get(f"{draft}/review").text
    assert follow(client, f"{draft}/review") == f"{draft}/file"
    assert not (districts_folder / "birch.yaml").exists()
    answer = client.get(f"{draft}/file.yaml")
    assert answer.headers["content-disposition"] == 'attachment; filename="birch.yaml"'
    assert "district: birch\n" in answer.text
    assert client.get("/api/v2/connections/oneroster_birch").status_code == 200


def test_a_second_test_forgets_what_the_first_one_found(browse, sandbox, engine, nights):
    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH)
    until(client, f"{draft}/district")
    assert len(nights.landing.pulls("birch")) == 1
    follow(client, draft, secret="not-the-secret-of-this-district", token_url=sandbox.token_url("birch"))
    assert outcomes(until(client, f"{draft}/test"))["Sign-in"] == "fail"
    assert nights.landing.pulls("birch") == []
    follow(client, f"{draft}/test", reason="The new secret works on Monday.")
    follow(client, f"{draft}/district", name="Birch", district="birch", timezone="UTC")
    follow(client, f"{draft}/sites", mapping="own")
    follow(client, f"{draft}/review")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.provider_profiles")).scalar() == 0
        decided = "SELECT reason FROM roster_ops.decisions WHERE action = 'district_added'"
        assert connection.execute(sa.text(decided)).scalar() == "The new secret works on Monday."


def test_credentials_that_are_incomplete_now_are_not_tested(browse, sandbox):
    client = browse("admin")
    draft = after_test(client, sandbox, BIRCH)
    assert client.post(draft, data={"token_url": "", "auth": "oauth2"}).status_code == 422
    assert client.get(f"{draft}/district").headers["location"] == f"{draft}/test"


@pytest.mark.parametrize("failing", ["extract", "validate"])
def test_a_failed_reading_leaves_no_people(sandbox, engine, tmp_path, failing):
    """The provider breaks off after its first pages, or files disappear before they are validated."""
    landing = Landing(str(tmp_path / "landing"))
    found = parse_credentials(text_of(sandbox, BIRCH).encode())
    district = District(
        district="birch", name="Birch", version="1.2", usernames="email", extract=ExtractSettings(page_size=5)
    )

    def fail(*_progress):
        if failing == "validate":
            for path in (tmp_path / "landing").rglob("*.parquet"):
                path.unlink()
        else:
            sandbox.set_quirks("birch", ["firewall-page"])

    one_by_one = None if failing == "extract" else engine
    try:
        with pytest.raises(RollcallError):
            pull_preview(district, found.raw_connection("oneroster_birch"), one_by_one, landing, fail)
    finally:
        sandbox.set_quirks("birch", [])
    assert [path for path in (tmp_path / "landing").rglob("*") if path.is_file()] == []
