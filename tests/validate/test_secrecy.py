"""No name and no password leaves validate by a log line or an exception, whatever goes wrong (rule 8)."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import great_expectations.expectations as gxe
import pyarrow as pa
import pytest

from rollcall.errors import RollcallError
from rollcall.expectations.rules import Rule, Suite
from rollcall.settings import District
from rollcall.validate import collection as collection_module
from rollcall.validate.validation import validate

NAME, PASSWORD = "Ramona-Geraldine", "beezus-secret-1955"
SECRETS = (NAME, PASSWORD)

Good = Callable[..., dict[str, Any]]
DISTRICT = District(district="maple", name="Maple", version="1.2", usernames="email")


@pytest.fixture
def landed_child(landed: Any, good: Good) -> Any:
    """A user and a broken copy of her, both with her name; her metadata holds a password."""
    child = good("users", given_name=NAME, metadata=f'{{"password":"{PASSWORD}"}}')
    return landed("users", [child, {**child, "status": NAME}], user_roles=[good("user_roles", role=NAME)])


def _no_secret(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    texts = [str(error), repr(error), "".join(traceback.format_exception(error)), caplog.text]
    assert [text for text in texts for secret in SECRETS if secret in text] == []


def test_findings_and_logs_quote_nothing(landed_child: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        manifest = validate(*landed_child, DISTRICT)
    assert {finding.rule for finding in manifest.findings} == {"status_unknown", "sourced_id_repeated", "role_unknown"}
    assert "users: 2 received" in caplog.text
    assert not any(secret in text for secret in SECRETS for text in (caplog.text, repr(manifest)))


def test_an_expectation_that_fails_quotes_nothing(
    landed_child: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Rule(
        "broken", "warning", "givenName", "", gxe.ExpectColumnValuesToMatchRegex(column="given_name", regex="(")
    )
    monkeypatch.setitem(collection_module.SUITES, "users", Suite([broken], {"user_roles": [], "user_agents": []}))
    with caplog.at_level(logging.DEBUG), pytest.raises(RollcallError) as caught:
        validate(*landed_child, DISTRICT)
    assert caught.value.code == "rule_not_judged"
    assert "broken of users" in caught.value.message
    _no_secret(caught.value, caplog)


def test_another_librarys_exception_quotes_nothing(
    landed_child: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def choke(landed: pa.Table, *_: Any) -> None:
        raise pa.ArrowInvalid(f"cannot make a date of {landed.column('given_name')[0]} and {PASSWORD}")

    monkeypatch.setattr(collection_module, "to_types", choke)
    with caplog.at_level(logging.DEBUG), pytest.raises(RollcallError) as caught:
        validate(*landed_child, DISTRICT)
    assert caught.value.code == "validate_failed"
    assert caught.value.district == "maple"
    _no_secret(caught.value, caplog)


def test_a_damaged_file_quotes_nothing(landed_child: Any, caplog: pytest.LogCaptureFixture) -> None:
    landing, ref = landed_child
    (file,) = Path(landing.url).rglob("extract/users/part-*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + NAME.encode())
    with caplog.at_level(logging.DEBUG), pytest.raises(RollcallError) as caught:
        validate(landing, ref, DISTRICT)
    assert caught.value.code == "landing_damaged"
    _no_secret(caught.value, caplog)


def test_a_pull_that_is_not_there_is_an_error_in_words(landed_child: Any) -> None:
    landing, ref = landed_child
    (manifest,) = Path(landing.url).rglob("extract/manifest.json")
    manifest.unlink()
    with pytest.raises(RollcallError) as caught:
        validate(landing, ref, DISTRICT)
    assert caught.value.code == "not_landed"
