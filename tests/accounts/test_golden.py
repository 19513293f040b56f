"""Golden tables: one row is one case, readable by a person; each says the whole outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rollcall.landing.mapping import LEFT_OUT_REASONS
from tests.accounts.cases import mapped, outcome

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.yaml"))

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['case']}")
    for file in GOLDEN
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_out_as_the_table_says(case: dict[str, Any]) -> None:
    made = outcome(mapped(case))
    expected = {name: case.get(name, type(made[name])()) for name in made}
    assert made == expected


def test_every_reason_has_a_case() -> None:
    reasons = {reason.split()[0] for case in CASES for reason in case.values[0].get("left_out", {}).values()}
    assert reasons == set(LEFT_OUT_REASONS)
