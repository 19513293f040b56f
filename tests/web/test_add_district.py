"""Add a district on the page, against a real provider: from its text to a file, a connection, and a DAG to come."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.landing.zone import Landing
from rollcall.onboarding.preview_pull import pull_preview
from rollcall.onboarding.recognition import parse_credentials
from rollcall.settings import District, ExtractSettings, load_district
from rollcall.status.digest import apply_retention
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.web.credentials_text import sent_text

BIRCH = SandboxDistrict(app="birch", version="1.2", students=60, seed=5)
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=60, seed=6, auth="oauth1")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([BIRCH, CEDAR]) as running:
        yield running


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
    assert (row.before["version"], row.after["version"]) == ("1.1", "1.2")
    assert BIRCH.client_secret not in str(row)


CONNECTION = "/rosters/districts/birch/settings/connection"


@pytest.fixture
def stored(browse, sandbox, districts_folder):
    """A client, the district `birch` of OneRoster 1.1, and its connection in Airflow with old credentials."""
    text = (districts_folder / "elm.yaml").read_text().replace("elm", "birch").replace('"1.2"', '"1.1"')
    (districts_folder / "birch.yaml").write_text(text)
    client = browse("admin")
    body = {"connection_id": "oneroster_birch", "conn_type": "oneroster", "host": sandbox.base_url("birch")}
    extra = {"auth_url": sandbox.token_url("birch"), "headers": {"X-Api-Key": "our-key-our-key"}}
    body |= {"login": "old-client", "password": "old-secret-old-secret", "extra": json.dumps(extra)}
    assert client.post("/api/v2/connections", json=body).status_code == 201
    return client


def shown_fields(client, path):
    """The fields of a form as a browser sends them back, and the form's address."""
    text = client.get(path).text
    fields = dict(re.findall(r'<input id="\w+" name="(\w+)" type="\w+" value="(.*?)"', text))
    fields["auth"] = re.search(r'<option value="(\w+)" selected>', text)[1]
    action = re.search(r'<form method="post" action="([^"]+/connection[^"]*)" class="card narrow">', text)[1]
    return fields, action


def test_a_pasted_text_wins_over_the_filled_fields(stored, sandbox):
    fields, action = shown_fields(stored, CONNECTION)
    assert (fields["client_id"], action) == ("old-client", CONNECTION)
    draft = follow(stored, action, **fields | {"text": text_of(sandbox, BIRCH)}).removesuffix("/test")
    assert "The connection works" in until(stored, f"{draft}/test")
    assert shown_fields(stored, draft)[0]["client_id"] == BIRCH.client_id


@pytest.mark.parametrize("name", ["base_url", "token_url", "text", "http"])
def test_a_kept_secret_goes_to_no_other_server(stored, sandbox, engine, name):
    fields, action = shown_fields(stored, CONNECTION)
    theirs = f"http://localhost:{sandbox.port}"
    ours = f"http://127.0.0.1:{sandbox.port}"
    if name == "text":
        sent = {"text": f"Base URL: {theirs}/x\nToken URL: {theirs}/token\nClient ID: a-client-of-theirs"}
    elif name == "http":
        sent = fields | {"base_url": fields["base_url"].replace("http:", "https:")}
    else:
        sent = fields | {name: fields[name].replace(ours, theirs)}
    answer = stored.post(action, data=sent)
    assert answer.status_code == 422
    assert "Enter the secret again" in answer.text
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.drafts")).scalar() == 0
    assert "Missing" not in answer.text


def test_credentials_are_stored_only_if_their_version_can_be(stored, sandbox, engine, monkeypatch):
    from airflow.models.connection import Connection

    draft = follow(stored, CONNECTION, text=text_of(sandbox, BIRCH)).removesuffix("/test")
    until(stored, f"{draft}/test")
    with monkeypatch.context() as patched:
        patched.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
        refused = stored.post(f"{draft}/test")
    assert (refused.status_code, "Set version: &#34;1.2&#34;" in refused.text) == (422, True)
    assert Connection.get_connection_from_secrets("oneroster_birch").password == "old-secret-old-secret"
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM roster_ops.decisions")).scalar() == 0


def test_a_corrected_draft_is_tested_and_stored_with_its_own_secret(stored, sandbox):
    from airflow.models.connection import Connection

    wrong = text_of(sandbox, BIRCH).replace(sandbox.base_url("birch"), f"http://127.0.0.1:{sandbox.port}/nothing-here")
    draft = follow(stored, CONNECTION, text=wrong).removesuffix("/test")
    assert "does not work yet" in until(stored, f"{draft}/test")
    fields, action = shown_fields(stored, draft)
    assert (fields["secret"], action) == ("", draft)
    assert follow(stored, action, **fields | {"base_url": sandbox.base_url("birch")}) == f"{draft}/test"
    assert "The connection works" in until(stored, f"{draft}/test")
    assert follow(stored, draft) == f"{draft}/test"  # "Test again" sends nothing
    assert "The connection works" in until(stored, f"{draft}/test")
    follow(stored, f"{draft}/test")
    kept = Connection.get_connection_from_secrets("oneroster_birch")
    assert (kept.login, kept.password) == (BIRCH.client_id, BIRCH.client_secret)
    assert "changed since" not in stored.get(CONNECTION).text
    body = {"connection_id": "oneroster_birch", "conn_type": "oneroster", "login": "another"}
    changed = stored.patch("/api/v2/connections/oneroster_birch", json=body, params={"update_mask": "login"})
    assert changed.status_code == 200
    assert "changed since" in stored.get(CONNECTION).text


@pytest.mark.parametrize("path", ["/rosters/add", CONNECTION])
def test_a_refused_form_does_not_claim_to_have_its_secret(stored, path):
    fields = {"secret": "typed-secret-typed", "client_id": "x", "auth": "oauth2", "expires_on": "soon"}
    answer = stored.post(path, data=fields)
    assert answer.status_code == 422
    assert "type…" not in answer.text
    assert ("We have it: old-…" in answer.text) == (path == CONNECTION)


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
