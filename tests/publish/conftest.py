"""The whole warehouse at a glance, to tell whether anything of it changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.model.tables import TABLES
from rollcall.warehouse.models import history, staging
from rollcall.warehouse.ops_models import state, watermarks

Glance = Callable[[sa.Engine], dict[str, list[tuple[Any, ...]]]]


@pytest.fixture
def glance() -> Glance:
    """Every row of staging and history, what readers have and the watermarks."""

    def look(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
        tables = {"state": state, "watermarks": watermarks}
        tables |= {f"staging.{name}": staging[name] for name in TABLES}
        tables |= {f"history.{name}": history[name] for name in TABLES}
        with engine.connect() as connection:
            return {
                name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
                for name, table in tables.items()
            }

    return look
