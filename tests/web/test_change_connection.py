"""New credentials of a district on the page: tested before they replace those in Airflow, which are never shown."""

from __future__ import annotations

import json
import re

import pytest
import sqlalchemy as sa

from rollcall.settings import load_district
from tests.web.draft_steps import BIRCH, follow, outcomes, text_of, until


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
