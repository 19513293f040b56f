"""`rollcall -v`: what the client logs stands on standard error."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

from rollcall.cli.main import rollcall


@pytest.fixture(autouse=True)
def levels():
    """Levels as they were."""
    loggers = [logging.getLogger(name) for name in ("rollcall", "rollcall.oneroster")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(("flags", "is_logged"), [(["-v"], True), ([], False)])
def test_the_clients_log_shows_where_it_is_asked_for(flags, is_logged):
    result = CliRunner().invoke(rollcall, [*flags, "districts", "schema"])
    assert result.exit_code == 0
    for name in ("rollcall.oneroster.paging", "rollcall.extract"):
        assert logging.getLogger(name).isEnabledFor(logging.INFO) == is_logged
    for name in ("urllib3", "requests", "oauthlib"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
