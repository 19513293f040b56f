"""The encoding that `Content-Type` declares is obeyed, for data, tokens and errors; no name of one crashes."""

import json

import pytest

from rollcall.oneroster.errors import RequestRefused
from rollcall.oneroster.http import as_utf8

NAME = "Zo\u00eb Mu\u00f1oz"


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("application/json;charset=ISO-8859-1", "latin-1"),
        ('application/json; charset="iso-8859-15"', "iso-8859-15"),
        ("application/json; CHARSET=windows-1252", "cp1252"),
        ("application/json; charset=utf-16", "utf-16"),
        ("application/json; charset=UTF-8", "utf-8"),
        ("application/json; charset=ISO-8859-1", "utf-8"),  # a servlet container's default above UTF-8
        ("application/json", "utf-8"),
    ],
)
def test_letters_come_as_they_were_written(declared, encoding):
    assert (
        as_utf8(declared, json.dumps({"a": NAME}, ensure_ascii=False).encode(encoding)).decode() == f'{{"a": "{NAME}"}}'
    )


@pytest.mark.parametrize(
    "declared",
    ["nonsense-9", "", '"', "base64", "rot13", "idna", "unicode_escape", "utf-8\x00", "\u00e9", "x" * 10_000, "mbcs"],
)
def test_a_name_nobody_knows_says_nothing(declared):
    body = NAME.encode("latin-1")

    assert as_utf8(f"application/json; charset={declared}", body) == body


@pytest.mark.parametrize("declared", ["us-ascii", "utf-32", "shift_jis"])
def test_bytes_the_encoding_does_not_have_are_left_to_the_decoder_of_records(declared):
    body = b'{"a": "\xff"}'

    assert as_utf8(f"application/json; charset={declared}", body) == body


def test_curly_quotes_of_windows_are_read_in_what_is_declared_as_iso_8859_1():
    assert as_utf8("application/json; charset=iso-8859-1", b"O\x92Brien").decode() == "O\u2019Brien"
    assert as_utf8("application/json; charset=iso-8859-1", b"\x81\xe9").decode() == "\x81\u00e9"


@pytest.mark.parametrize("status", [200, 400])
def test_records_and_errors_alike(status, provide, connect, reply):
    """A word of the specification is found in an error of any encoding."""
    body = {"orgs": [{"sourcedId": "o1", "name": NAME}]} if status == 200 else {"imsx_codeMinor": "invaliddata"}
    answer = reply(
        json.dumps(body, ensure_ascii=False).encode("utf-16"),
        status,
        {"Content-Type": "application/json; charset=utf-16"},
    )
    client = connect(provide(lambda asked: answer if "offset" in asked.query else reply({"orgs": []})))
    if status == 200:
        page = next(iter(client.pages("orgs")))
        assert [record.name for record in page.records] == [NAME]
        return
    with pytest.raises(RequestRefused) as refused:
        list(client.pages("orgs"))
    assert "(invaliddata)" in str(refused.value)
