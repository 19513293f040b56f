"""Mails as districts send them, and exactly what is recognized in each."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from rollcall.onboarding.recognition import parse_credentials

MAILS = Path(__file__).parent / "mails"

MAPLE = {
    "client_id": "InfiniteCampus_maple-sandbox",
    "secret": "maple-sandbox-secret-not-a-secret",
    "token_url": "https://sis.example/campus/oauth2/token?appName=maple",
    "base_url": "https://sis.example/campus/api/oneroster/v1p2/maple/ims/oneroster",
    "auth": "oauth2",
    "version": "1.2",
    "name": "",
    "expires_on": None,
    "notes": (),
}
CEDAR = {
    "client_id": "InfiniteCampus_cedar-sandbox",
    "secret": "cedar-sandbox-secret-not-a-secret",
    "token_url": "",
    "base_url": "https://sis.example/campus/api/oneroster/v1p1/cedar/ims/oneroster/v1p1",
    "auth": "oauth1",
    "version": "1.1",
    "name": "",
    "expires_on": None,
    "notes": (),
}
EXCHANGED = (
    "Base URL and Token URL were swapped. We corrected this.",
    "The ID and the secret were swapped. We corrected this.",
)
DOTS = ("The text contains the dots that the screen shows, not the secret.",)

EXPECTED = {
    "plain.txt": MAPLE,
    "classic.txt": CEDAR | {"expires_on": date(2027, 6, 30)},
    "document.txt": MAPLE,
    "forwarded.txt": MAPLE,
    "quoted_printable.txt": MAPLE,
    "soft_breaks.txt": CEDAR,
    "table_down.txt": MAPLE,
    "table_across.txt": MAPLE | {"name": "Maple Unified"},
    "markdown.txt": MAPLE,
    "sentence.txt": CEDAR,
    "outlook.txt": MAPLE,
    "saved.eml": MAPLE,
    "short_names.txt": CEDAR | {"expires_on": date(2027, 6, 30)},
    "exchanged.txt": MAPLE | {"notes": EXCHANGED},
    "half.txt": MAPLE | {"secret": "", "token_url": "", "notes": DOTS},
}


def _fields(content: bytes) -> dict[str, object]:
    found = parse_credentials(content)
    return {name: getattr(found, name) for name in MAPLE}


def test_every_mail_is_expected_and_every_expectation_has_a_mail():
    assert {path.name for path in MAILS.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("mail", EXPECTED)
def test_a_mail_is_read(mail):
    assert _fields((MAILS / mail).read_bytes()) == EXPECTED[mail]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_line_ends_and_encodings_do_not_matter(ending, encoding):
    text = (MAILS / "plain.txt").read_text(encoding="utf-8").replace("Hi Sam", "Hi José \u2013")
    content = text.encode("utf-8").replace(b"\n", ending).decode("utf-8").encode(encoding)
    assert _fields(content) == MAPLE


def test_any_order_any_case_any_blanks():
    lines = [
        f"TOKEN  url :{MAPLE['token_url']}",
        f"  clientsecret=   {MAPLE['secret']}  ",
        f"base_URL\u00a0:\t{MAPLE['base_url']}",
        f"Client-Id\u2003{MAPLE['client_id']}",
    ]
    for turn in range(4):
        assert _fields("\n".join(lines[turn:] + lines[:turn]).encode()) == MAPLE


def test_a_typographic_dash_and_characters_nobody_sees_are_undone():
    text = (MAILS / "plain.txt").read_text(encoding="utf-8")
    text = text.replace("maple-sandbox", "maple\u2013sandbox").replace("secret-not", "secret\u200b-\u00adnot")
    assert _fields(text.encode()) == MAPLE


def test_a_secret_that_ends_in_equals_signs_keeps_them():
    found = parse_credentials(b"Consumer Key: InfiniteCampus_cedar-1\nConsumer Secret: c2VjcmV0LW5vdC1hLXNlY3JldA==\n")
    assert found.secret == "c2VjcmV0LW5vdC1hLXNlY3JldA=="


def test_a_long_secret_broken_over_two_lines_is_put_together():
    whole = "a1B2" * 25
    text = f"Client Secret: {whole[:60]}\n{whole[60:]}\n\nRegards\n"
    assert parse_credentials(text.encode()).secret == whole


def test_what_follows_an_address_is_not_taken_for_its_end():
    text = f"Base URL: {MAPLE['base_url']}\nthanks\nRobin\n"
    assert parse_credentials(text.encode()).base_url == MAPLE["base_url"]


def test_an_address_in_brackets_may_be_broken_anywhere():
    text = "Base URL: <https://sis.example/campus/api/oneroster/v1p2/ma\nple/ims/onero\nster>\nthanks\n"
    assert parse_credentials(text.encode()).base_url == MAPLE["base_url"]


def test_prose_about_the_fields_is_no_value():
    text = "The Client ID and Client Secret are attached. The Token URL follows, and the Base URL is below.\n"
    found = parse_credentials(text.encode())
    assert found.missing == ["base_url", "token_url", "client_id", "secret"]


def test_the_newest_mail_of_a_thread_counts_and_that_is_said():
    newest = (MAILS / "plain.txt").read_text(encoding="utf-8")
    older = newest.replace("maple-sandbox-secret", "older-secret").replace("\n", "\n> ")
    found = parse_credentials(f"{newest}\n> {older}".encode())
    assert found.secret == MAPLE["secret"]
    assert found.notes == ("The text has two different values for the secret. The first one counts.",)


def test_addresses_know_the_version_better_than_words():
    text = (MAILS / "plain.txt").read_text(encoding="utf-8")
    found = parse_credentials(f"OneRoster 1.1 with OAuth 2.0\n{text}".encode())
    assert found.version == "1.2"
    assert found.notes == ("The text says OneRoster 1.1, but its URLs are OneRoster 1.2. The URLs count.",)


def test_words_know_the_version_where_addresses_do_not():
    text = "OneRoster 1.1 with OAuth 2.0\nClient ID: abc-123456\nToken URL: https://sis.example/token\n"
    assert parse_credentials(text.encode()).version == "1.1"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("maple-sandbox-secret-not-a-secret", "mapl… (33 characters)"), ("short-one", "(9 characters)")],
)
def test_a_secret_is_shown_as_four_characters_and_a_length(secret, shown):
    found = parse_credentials(f"Client Secret: {secret}\n".encode())
    assert found.shown_secret == shown
    assert secret not in repr(found)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"\x00\x01\x02" * 50, b"=" * 500, b"<td>" * 2000])
def test_anything_is_read_without_an_error(content):
    assert parse_credentials(content).missing
