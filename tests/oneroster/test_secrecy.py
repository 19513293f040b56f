"""No name, secret or token gets into a log or an exception, at DEBUG and when all goes wrong (rule 8)."""

import logging
import traceback

import pytest

from rollcall.oneroster import OneRosterError, columns

PLANTED = ["Plantagenet", "planted@example.org", "maple-secret", "planted-token", "planted-key", "hunter2"]
USER = {
    "sourcedId": "u1",
    "givenName": "Plantagenet",
    "email": "planted@example.org",
    "password": "hunter2",
    "role": "student",
}


def pages(asked, said, bad):
    if asked.path.endswith("/orgs"):
        return (
            said({"orgs": [{"sourcedId": "o1"}]}, headers={"X-Total-Count": "1"})
            if not asked.offset
            else said(b"", 404)
        )
    return bad


@pytest.fixture
def everything_logged(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "oauthlib.oauth1.rfc5849", "rollcall"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


BAD_ANSWERS = {
    "a record with a bad field": lambda said: said({"users": [{**USER, "email": {"x": "planted@example.org"}}]}),
    "a record that is a string": lambda said: said({"users": ["Plantagenet"]}),
    "bytes that are no UTF-8": lambda said: said(b'{"users": [{"sourcedId": "u1", "givenName": "Plantagenet\xff"}]}'),
    "JSON that is malformed": lambda said: said(b'{"users": [{"sourcedId": "u1", "email": Plantagenet}]}'),
    "JSON that is cut off": lambda said: said(b'{"users": [{"sourcedId": "u1", "email": "planted@exam'),
    "a cut connection": lambda said: said({"users": [USER]}, cut=70),
    "no envelope": lambda said: said({"user": USER}),
    "a web page": lambda said: said(b"<html>Plantagenet</html>"),
    "400": lambda said: said({"imsx_description": "Plantagenet"}, 400),
    "401": lambda said: said({"imsx_description": "planted-token"}, 401),
    "403": lambda said: said({"imsx_description": "Plantagenet"}, 403),
    "500": lambda said: said({"imsx_description": "Plantagenet"}, 500),
    "a redirect with a token": lambda said: said(b"", 302, {"Location": "https://elsewhere.example/?t=planted-token"}),
}


@pytest.mark.parametrize("auth", ["oauth2", "body", "oauth1", "bearer"])
@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_nothing_planted_is_told(provide, connect, said, everything_logged, bad, auth):
    fields = {"secret_headers": {"X-Key": "planted-key"}, "client_auth": "body" if auth == "body" else "basic"}
    fields |= {} if auth in ("oauth2", "body") else {"auth": auth, "auth_url": None}
    provider = provide(
        lambda asked: pages(asked, said, BAD_ANSWERS[bad](said)),
        lambda asked: said({"access_token": "planted-token", "expires_in": 3600}),
    )
    client = connect(provider, "1.1", fields=fields)
    reported = [repr(client.connection)]
    unreadable = []
    try:
        for page in (reader := client.pages("users")):
            unreadable += page.unreadable
            reported += [repr(page.unreadable), repr(reader)]
            assert "hunter2" not in repr(columns("users", page.records))
    except OneRosterError as error:
        reported += [str(error), repr(error), *traceback.format_exception(error), *map(str, error.args)]

    reported.append(everything_logged.text)
    assert "127.0.0.1" in everything_logged.text  # something was logged
    for planted in PLANTED:
        assert planted not in "\n".join(reported)
    assert all(b"hunter2" not in bad.record for bad in unreadable)


@pytest.mark.parametrize(
    "answer",
    [
        lambda said: said({"error": "invalid_client", "error_description": "maple-secret"}, 401),
        lambda said: said({"access_token": "planted-token\n"}),
        lambda said: said({"access_token": {"x": "planted-token"}}),
        lambda said: said(b'{"access_token": "planted-tok'),
        lambda said: said(b"", 302, {"Location": "https://elsewhere.example/?t=planted-token"}),
        lambda said: said(b"planted-token", 500),
    ],
)
def test_nothing_of_a_token_answer_is_told(provide, connect, said, everything_logged, answer):
    provider = provide(lambda asked: said({}), lambda asked: answer(said))
    with pytest.raises(OneRosterError) as refused:
        list(connect(provider).pages("users"))

    reported = "\n".join([str(refused.value), *traceback.format_exception(refused.value), everything_logged.text])
    for planted in PLANTED:
        assert planted not in reported
