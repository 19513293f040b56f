"""Four pasted fields either make a usable connection or an error that says which field is wrong and where it stands."""

import json
from datetime import date

import pytest

from rollcall.oneroster import OneRosterConnection
from rollcall.oneroster.errors import ConnectionInvalid

BASE = "https://sis.example.org/campus/api/oneroster/v1p2/maple/ims/oneroster"
TOKEN = "https://sis.example.org/campus/oauth2/token?appName=maple"
SECRET = "s3cr3t-planted"


def connection(**fields):
    return OneRosterConnection(**{"base_url": BASE, "client_id": "id", "secret": SECRET, "auth_url": TOKEN, **fields})


def test_oauth2_with_a_token_url_and_oauth1_without():
    assert connection().auth == "oauth2"
    assert connection(auth_url=None).auth == "oauth1"
    assert connection(auth_url="").auth == "oauth1"
    assert connection(auth_url=None, auth="bearer", client_id="").auth == "bearer"


def test_what_comes_along_with_a_paste_is_stripped():
    pasted = connection(
        base_url=f" {BASE}/\r\n",
        client_id="\tInfiniteCampus_4b\u200b1c\n",
        secret=" s3cr3t\r\n-planted ",
        auth_url="https://sis.example.org/campus/oauth2/\n token?appName=maple\ufeff",
    )

    assert (pasted.base_url, pasted.auth_url) == (BASE, TOKEN)
    assert (pasted.client_id, pasted.secret) == ("InfiniteCampus_4b1c", SECRET)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"base_url": "http://sis.example.org/ims"}, "TLS required outside loopback"),
        ({"auth_url": "http://sis.example.org/token"}, "TLS required outside loopback"),
        ({"base_url": ""}, "no Base URL"),
        ({"base_url": "sis.example.org"}, "Base URL is not a URL"),
        ({"base_url": "https://sis.example.org:port/ims"}, "Base URL is not a URL"),
        ({"base_url": TOKEN}, "looks like a Token URL"),
        ({"base_url": "https://me:pw@sis.example.org/ims"}, "contains a user"),
        ({"auth_url": None, "auth": "oauth2"}, "OAuth 2 needs a Token URL"),
        ({"auth_url": "https://sis.example.org/campus/oauth2/token"}, "appName"),
        ({"auth_url": "https://sis.example.org/campus/oauth2/token?appName="}, "appName"),
        ({"client_id": " "}, "no Client ID"),
        ({"secret": ""}, "no Client Secret"),
        ({"auth_url": None, "client_id": ""}, "no Consumer Key"),
        ({"auth_url": None, "secret": ""}, "no Consumer Secret"),
        ({"auth": "oauth3"}, "oauth2, oauth1, bearer"),
        ({"client_auth": "header"}, "basic, body"),
        ({"signature": "MD5"}, "HMAC-SHA256, HMAC-SHA1"),
        ({"headers": {"Authorization": "Bearer x"}}, "Authorization"),
        ({"secret_headers": {"X-Key": "a\nb"}}, "header"),
        ({"auth": "bearer", "secret": "caf\u00e9"}, "bearer token"),
    ],
)
def test_each_wrong_field_is_named(fields, says):
    with pytest.raises(ConnectionInvalid) as refused:
        connection(**fields)

    assert says in str(refused.value)
    assert refused.value.remedy
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:99"])
def test_http_is_for_loopback(host):
    assert connection(base_url=f"http://{host}/ims", auth_url=f"http://{host}/token").base_url == f"http://{host}/ims"


def test_a_token_url_without_appname_names_the_screen():
    with pytest.raises(ConnectionInvalid) as refused:
        connection(auth_url="https://sis.example.org/campus/oauth2/token")

    assert "Digital Learning Applications Configuration" in refused.value.remedy


def test_secrets_are_not_in_repr():
    shown = repr(connection(secret_headers={"X-Key": "planted-too"}, headers={"X-App": "rollcall"}))

    assert SECRET not in shown
    assert "planted-too" not in shown
    assert "rollcall" in shown


def test_from_airflow_fields_reads_every_key_of_extra():
    made = OneRosterConnection.from_airflow_fields(
        "oneroster_maple",
        BASE,
        "id",
        SECRET,
        {
            "auth_url": TOKEN,
            "auth": "oauth2",
            "scopes": "a b,c",
            "client_auth": "body",
            "signature": None,
            "headers": '{"X-App": "rollcall"}',
            "secret_headers": {"X-Key": "k"},
            "expires_on": "2027-07-01",
        },
    )

    assert made == connection(
        auth="oauth2",
        scopes=("a", "b", "c"),
        client_auth="body",
        headers={"X-App": "rollcall"},
        secret_headers={"X-Key": "k"},
        expires_on=date(2027, 7, 1),
        conn_id="oneroster_maple",
    )


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"token_url": TOKEN}, "`token_url`. Did you mean `auth_url`?"),
        ({"scope": "x"}, "`scope`. Did you mean `scopes`?"),
        ({"Secret_Header": {}}, "Did you mean `secret_headers`?"),
        ({"page_size": 5}, "`page_size`"),
        ({"expires_on": "next summer"}, "YYYY-MM-DD"),
        ({"scopes": {"a": 1}}, "list of texts"),
        ({"headers": "X-Key: planted"}, "object of texts"),
    ],
)
def test_an_extra_that_would_not_work_is_an_error(extra, says):
    with pytest.raises(ConnectionInvalid) as refused:
        OneRosterConnection.from_airflow_fields("oneroster_maple", BASE, "id", SECRET, {"auth_url": TOKEN, **extra})

    assert says in str(refused.value)
    assert "oneroster_maple" in str(refused.value)
    assert "planted" not in str(refused.value)


def test_from_environment_reads_airflows_json_form(monkeypatch):
    fields = {"conn_type": "oneroster", "host": BASE, "login": "id", "password": SECRET, "port": 0}
    for extra in ({"auth_url": TOKEN}, json.dumps({"auth_url": TOKEN})):
        monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", json.dumps({**fields, "extra": extra}))

        assert OneRosterConnection.from_environment("oneroster_maple") == connection(conn_id="oneroster_maple")


def test_a_missing_variable_is_named_with_an_example_that_works(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_ONEROSTER_MAPLE", raising=False)
    with pytest.raises(ConnectionInvalid) as refused:
        OneRosterConnection.from_environment("oneroster_maple")

    assert refused.value.code == "connection_missing"
    example = refused.value.remedy.partition("AIRFLOW_CONN_ONEROSTER_MAPLE=")[2].strip("'")
    for placeholder, value in (
        ("<Base URL>", BASE),
        ("<Client ID>", "id"),
        ("<Client Secret>", "x"),
        ("<Token URL>", TOKEN),
    ):
        example = example.replace(placeholder, value)
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", example)
    assert OneRosterConnection.from_environment("oneroster_maple").auth_url == TOKEN


@pytest.mark.parametrize(
    "value",
    [
        f"https://id:{SECRET}@sis.example.org",
        f'{{"password": "{SECRET}"',
        f'{{"conn_type": "http", "password": "{SECRET}"}}',
        f'{{"conn_type": "oneroster", "passwort": "{SECRET}"}}',
        f'{{"conn_type": "oneroster", "extra": ["{SECRET}"]}}',
    ],
)
def test_a_variable_that_is_no_connection_is_refused_without_quoting_it(monkeypatch, value):
    monkeypatch.setenv("AIRFLOW_CONN_ONEROSTER_MAPLE", value)
    with pytest.raises(ConnectionInvalid) as refused:
        OneRosterConnection.from_environment("oneroster_maple")

    assert "AIRFLOW_CONN_ONEROSTER_MAPLE" in str(refused.value)
    assert SECRET not in str(refused.value)
