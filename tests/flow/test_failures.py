"""A failed task's log ends with what happened and what to do, in plain lines."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from rollcall.errors import ActionRequired, RollcallError, to_rollcall_error
from rollcall.orchestration.failures import explain, failure_lines
from tests.flow.conftest import MAPLE
from tests.flow.test_dag_run import run_dag

__all__ = ["run_dag"]


def _lines(error, number=1, retries=2):
    return list(failure_lines(error, SimpleNamespace(try_number=number, max_tries=retries)))


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            RollcallError("provider_timeout", "No answer.", remedy="Run it later."),
            [
                "What happened: No answer.",
                "What to do: Run it later.",
                "Code: provider_timeout. Airflow tries again (try 2 of 3).",
            ],
        ),
        (
            ActionRequired("district_file", "Two mistakes:\n  a.yaml, line 1: x.\n  a.yaml, line 2: y."),
            [
                "What happened: Two mistakes:",
                "  a.yaml, line 1: x.",
                "  a.yaml, line 2: y.",
                "Code: district_file. Airflow does not try again, because this needs action first.",
            ],
        ),
    ],
)
def test_a_known_error_is_said_with_what_to_do(error, lines):
    assert _lines(error) == lines


def test_an_unknown_error_is_said_by_its_type_and_place_and_never_by_its_text():
    lines = _lines(KeyError("Ada Lovelace"), number=3)
    assert lines[0] == "What happened: KeyError."
    assert lines[-1] == "Code: task_failed. This was the last of 3 tries."
    try:
        raise KeyError("Ada Lovelace")
    except KeyError as error:
        known = _lines(to_rollcall_error(error, "map_roster"))
    assert "map_roster_failed" in known[-1]
    assert "Lovelace" not in "".join([*lines, *known])


@pytest.mark.parametrize("error", [None, "Task killed externally"])
def test_a_killed_process_has_an_end_too(error):
    assert _lines(error, retries=0)[-1] == "Code: task_failed. Airflow does not try again."


def test_airflows_own_errors_keep_their_text():
    from airflow.sdk.exceptions import AirflowException

    assert _lines(AirflowException("The conn_id `warehouse` isn't defined"))[0].endswith("`warehouse` isn't defined")


def test_the_log_of_a_failed_task_ends_with_these_lines(run_dag, ready, district_file, caplog):
    district_file(MAPLE, "enabled: false\n")
    with caplog.at_level(logging.INFO):
        run_dag("maple")
    said = [
        (record.name, record.getMessage()) for record in caplog.records if record.name.startswith(("task", "rollcall"))
    ]
    place = next(n for n, (name, _) in enumerate(said) if name == "rollcall.orchestration.failures")
    assert [message.split(":")[0] for _, message in said[place:]] == ["", "What happened", "What to do", "Code"]
    assert "district_disabled" in said[-1][1]


def test_the_lines_are_outside_of_airflows_groups(caplog):
    with caplog.at_level(logging.INFO):
        explain(RollcallError("a", "b"), SimpleNamespace(try_number=1, max_tries=0))
    assert next(record.getMessage() for record in caplog.records) == "::endgroup::"
