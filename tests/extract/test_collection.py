"""What of a provider's answer is landed and what becomes a reject, from the bytes on."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import RollcallError, redact_errors
from rollcall.extract.collection import CollectionLanding
from rollcall.landing.manifests import read_rows
from rollcall.landing.pull import LandedCollection, landed_schema
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.tables import TABLES
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.pages import Page, Proof
from rollcall.oneroster.records import COLLECTIONS

NAME, PASSWORD = "Ramona-Geraldine", "beezus-secret-1955"


@pytest.fixture
def folder(tmp_path: Path) -> PullFolder:
    return Landing(str(tmp_path / "landing")).pull("maple", "20261121T081500Z-00000000")


def landed(folder: PullFolder, collection: str, body: bytes) -> tuple[LandedCollection, list[dict[str, Any]]]:
    """Land one page; the manifest's entry and the rejects."""
    decoded = decode_page(COLLECTIONS[collection], body)
    made = CollectionLanding(folder, collection, [])
    made.add(Page(decoded.records, decoded.unreadable, 0, decoded.rows, decoded.rows, 1))
    entry, rejects = made.finish(Proof("total", decoded.rows, decoded.rows, decoded.rows, 1, decoded.rows, ""))
    return entry, read_rows(folder, rejects, REJECT_SCHEMA).to_pylist()


def test_no_password_reaches_the_landing_zone(folder: PullFolder) -> None:
    user = (
        '{"sourcedId":"%s","givenName":%s,"password":"'
        + PASSWORD
        + '","metadata":{"ic":{"Password":"'
        + PASSWORD
        + '"}},'
        '"userProfiles":[{"profileId":"p","credentials":[{"type":"x","username":"r","password":"' + PASSWORD + '"}]}]}'
    )
    body = f'{{"users":[{user % ("u1", 1)},{user % ("u2", "[[]]")},{user % ("", 1)}]}}'.encode()
    entry, rejects = landed(folder, "users", body)
    assert (entry.rows("users"), entry.unreadable, entry.unidentified) == (1, 2, 1)
    (row,) = read_rows(folder, entry.parts["users"], landed_schema(TABLES["users"])).to_pylist()
    assert row["user_profiles"] == '[{"credentials":[{"type":"x","username":"r"}],"profileId":"p"}]'
    assert [(one["rule"], one["sourced_id"]) for one in rejects] == [("wrong_type", "u2"), ("no_sourced_id", None)]
    assert PASSWORD not in repr(row) + repr(rejects)


def test_of_unreadable_demographics_nothing_is_kept(folder: PullFolder) -> None:
    body = b'{"demographics":[{"sourcedId":"u1","birthDate":["2015-02-28"]},{"birthDate":"2015-02-28"}]}'
    entry, rejects = landed(folder, "demographics", body)
    assert (entry.rows("demographics"), entry.unreadable, entry.unidentified) == (0, 2, 1)
    assert [(one["sourced_id"], one["rule"], one["record"]) for one in rejects] == [
        ("u1", "wrong_type", None),
        (None, "no_sourced_id", None),
    ]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (b'"x"', "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"name":"x"}', "no_sourced_id"),
        (b'{"sourcedId":" "}', "no_sourced_id"),
        (b'{"sourcedId":"o1","name":{}}', "wrong_type"),
        (b'{"sourcedId":"o1","name":"\xff"}', "not_utf8"),
    ],
)
def test_each_way_to_be_unreadable_has_its_rule_and_reason(row: bytes, rule: str, folder: PullFolder) -> None:
    entry, (reject,) = landed(folder, "orgs", b'{"orgs":[%s,{"sourcedId":"o2","name":"Maple"}]}' % row)
    assert (reject["rule"], entry.rows("orgs"), entry.unreadable) == (rule, 1, 1)
    assert reject["reason"].endswith(".")
    assert reject["reason"] != "The record could not be read."


def test_another_librarys_exception_quotes_nothing(
    folder: PullFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def choke(*_: Any, **__: Any) -> None:
        raise ValueError(f"cannot write {NAME} {PASSWORD}")

    monkeypatch.setattr("pyarrow.parquet.write_table", choke)
    body = f'{{"users":[{{"sourcedId":"u1","givenName":"{NAME}"}}]}}'.encode()
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(RollcallError) as caught,
        redact_errors("extract", district="maple"),
    ):
        landed(folder, "users", body)
    assert caught.value.code == "extract_failed"
    reported = str(caught.value) + repr(caught.value) + "".join(traceback.format_exception(caught.value)) + caplog.text
    assert NAME not in reported
    assert PASSWORD not in reported
