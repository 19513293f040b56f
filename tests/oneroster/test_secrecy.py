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


def pages(asked, reply, bad):
    if asked.path.endswith("/orgs"):
        return (
            reply({"orgs": [{"sourcedId": "o1"}]}, headers={"X-Total-Count": "1"})
            if not asked.offset
            else reply(b"", 404)
        )
    return bad


@pytest.fixture
def everything_logged(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "oauthlib.oauth1.rfc5849", "rollcall"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


BAD_ANSWERS = {
    "a record with a bad field": lambda reply: reply({"users": [{**USER, "email": {"x": "planted@example.org"}}]}),
    "a record that is a string": lambda reply: reply({"users": ["Plantagenet"]}),
    "bytes that are no UTF-8": lambda reply: reply(b'{"users": [{"sourcedId": "u1", "givenName": "Plantagenet\xff"}]}'),
    "JSON that is malformed": lambda reply: reply(b'{"users": [{"sourcedId": "u1", "email": Plantagenet}]}'),
    "JSON that is cut off": lambda reply: reply(b'{"users": [{"sourcedId": "u1", "email": "planted@exam'),
    "a cut connection": lambda reply: reply({"users": [USER]}, cut=70),
    "no envelope": lambda reply: reply({"user": USER}),
    "a web page": lambda reply: reply(b"<html>Plantagenet</html>"),
    "400": lambda reply: reply({"imsx_description": "Plantagenet"}, 400),
    "401": lambda reply: reply({"imsx_description": "planted-token"}, 401),
    "403": lambda reply: reply({"imsx_description": "Plantagenet"}, 403),
    "500": lambda reply: reply({"imsx_description": "Plantagenet"}, 500),
    "a redirect with a token": lambda reply: reply(
        b"", 302, {"Location": "https://elsewhere.example/?t=planted-token"}
    ),
}


@pytest.mark.parametrize("auth", ["oauth2", "body", "oauth1", "bearer"])
@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_nothing_planted_is_told(provide, connect, reply, everything_logged, bad, auth):
    fields = {"secret_headers": {"X-Key": "planted-key"}, "client_auth": "body" if auth == "body" else "basic"}
    fields |= {} if auth in ("oauth2", "body") else {"auth": auth, "auth_url": None}
    provider = provide(
        lambda asked: pages(asked, reply, BAD_ANSWERS[bad](reply)),
        lambda asked: reply({"access_token": "planted-token", "expires_in": 3600}),
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
        lambda reply: reply({"error": "invalid_client", "error_description": "maple-secret"}, 401),
        lambda reply: reply({"access_token": "planted-token\n"}),
        lambda reply: reply({"access_token": {"x": "planted-token"}}),
        lambda reply: reply(b'{"access_token": "planted-tok'),
        lambda reply: reply(b"", 302, {"Location": "https://elsewhere.example/?t=planted-token"}),
        lambda reply: reply(b"planted-token", 500),
    ],
)
def test_nothing_of_a_token_answer_is_told(provide, connect, reply, everything_logged, answer):
    provider = provide(lambda asked: reply({}), lambda asked: answer(reply))
    with pytest.raises(OneRosterError) as refused:
        list(connect(provider).pages("users"))

    reported = "\n".join([str(refused.value), *traceback.format_exception(refused.value), everything_logged.text])
    for planted in PLANTED:
        assert planted not in reported
