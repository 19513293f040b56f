"""District files of a test's own, and the dags folder parsed with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAPLE = 'district: maple\nname: Maple\nversion: "1.2"\nusernames: email\nstarts_on: 2026-11-21\npool: sandbox\n'


@pytest.fixture
def districts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes district files and points Rollcall at them."""
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))

    def write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def parse(airflow_database: None) -> Callable[[], object]:
    """Parses the dags folder as the DAG processor does."""
    from airflow.dag_processing.dagbag import DagBag

    return lambda: DagBag(dag_folder=str(ROOT / "dags"), bundle_name="dags-folder")
