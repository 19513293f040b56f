"""Add a district on the page, against a real provider: from its text to a file, a connection, and a DAG to come."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from rollcall.settings import load_district
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.web.credentials_text import sent_text

BIRCH = SandboxDistrict(app="birch", version="1.2", students=60, seed=5)
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=60, seed=6, auth="oauth1")


@pytest.fixture(scope="module")
def _serving() -> Iterator[Sandbox]:
    with Sandbox([BIRCH, CEDAR]) as running:
        yield running


@pytest.fixture
def sandbox(_serving, browse, monkeypatch) -> Iterator[Sandbox]:
    from airflow.models.connection import Connection
    from airflow.models.dagbag import DagPriorityParsingRequest
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
    yield _serving
    with create_session() as session:
        for kind in (Connection, DagPriorityParsingRequest, Log):
            session.query(kind).delete()


def text_of(sandbox: Sandbox, district: SandboxDistrict, secret: str = "") -> str:
    """What the district sends."""
    text = sent_text(f"http://127.0.0.1:{sandbox.port}", district.app)
    return text.replace(district.client_secret, secret) if secret else text


def follow(client: httpx.Client, path: str, **fields: str) -> str:
    """Post a form and return the path that it leads to."""
    answer = client.post(path, data=fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def after_test(client: httpx.Client, sandbox: Sandbox, district: SandboxDistrict, **how: str) -> str:
    """The path of a draft whose test has ended."""
    draft = follow(client, "/rosters/add", text=text_of(sandbox, district, **how))
    assert follow(client, draft) == f"{draft}/test"
    until(client, f"{draft}/test")
    return draft


def until(client: httpx.Client, path: str) -> str:
    """The page when it no longer polls."""
    for _ in range(300):
        text = client.get(path).text
        if "data-poll" not in text:
            return text
        time.sleep(0.1)
    raise AssertionError("it did not end")


def outcomes(text: str) -> dict[str, str]:
    """The steps of a check by title."""
    return {title: outcome for outcome, title in re.findall(r'<li class="(\w+)">.*?<b>(.*?)</b>', text, re.S)}


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
    for name, is_abandoned in (("birch", True), ("beech", False)):
        draft = after_test(client, sandbox, BIRCH)
        until(client, f"{draft}/district")
        assert len(nights.landing.pulls("birch")) == 1
        follow(client, f"{draft}/district", name="Birch", district=name, timezone="UTC")
        follow(client, f"{draft}/sites", mapping="own")
        if is_abandoned:
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE roster_ops.drafts SET created_at = now() - interval '25 hours'"))
            assert client.get(f"{draft}/review").status_code == 404
            follow(client, "/rosters/add", text=text_of(sandbox, BIRCH))
            assert nights.landing.pulls("birch") == []
        else:
            follow(client, f"{draft}/review")
            assert nights.landing.pulls("birch") == []


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


def test_a_new_secret_is_tested_and_then_replaces_the_stored_one(browse, sandbox, districts_folder, engine):
    from airflow.models.connection import Connection

    text = (districts_folder / "elm.yaml").read_text().replace("elm", "birch").replace('"1.2"', '"1.1"')
    (districts_folder / "birch.yaml").write_text(text)
    client = browse("admin")
    path = "/rosters/districts/birch/settings/connection"
    assert "has no connection" in client.get(path).text
    body = {"connection_id": "oneroster_birch", "conn_type": "oneroster", "host": sandbox.base_url("birch")}
    extra = {"auth_url": sandbox.token_url("birch"), "headers": {"X-Ours": "kept"}}
    secrets = {"login": BIRCH.client_id, "password": "old-secret-old-secret", "extra": json.dumps(extra)}
    assert client.post("/api/v2/connections", json=body | secrets).status_code == 201
    shown = client.get(path).text
    assert BIRCH.client_id in shown
    assert "old-secret-old" not in shown

    fields = {"token_url": sandbox.token_url("birch"), "auth": "oauth2"}
    draft = follow(client, path, **fields).removesuffix("/test")
    assert outcomes(until(client, f"{draft}/test"))["Sign-in"] == "fail"
    assert client.post(f"{draft}/test").status_code == 422
    draft = follow(client, path, secret=BIRCH.client_secret, expires_on="2027-06-30", **fields).removesuffix("/test")
    assert "The connection works" in until(client, f"{draft}/test")
    assert follow(client, f"{draft}/test") == f"{path}?notice=connection_saved"
    assert "last changed by adam" in client.get(path).text
    stored = Connection.get_connection_from_secrets("oneroster_birch")
    assert (stored.password, stored.port) == (BIRCH.client_secret, 0)
    assert stored.extra_dejson == extra | {"expires_on": "2027-06-30"}
    assert load_district(districts_folder / "birch.yaml").version == "1.2"
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT before, after FROM roster_ops.decisions")).one()
    assert (row.after["secret"], row.after["expires_on"], row.before["expires_on"]) == ("changed", "2027-06-30", None)
    assert BIRCH.client_secret not in str(row)
