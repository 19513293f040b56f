"""What a night deletes for good: exactly what is older than the district keeps it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from rollcall.landing import manifests
from rollcall.landing.pull import LandedCollection, Pull
from rollcall.retention.sweep import sweep, sweep_after_night
from rollcall.settings import Retention
from tests.conftest import PROVEN, UNPROVEN

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def pull(nights):
    """Leaves a pull as extract does, some days ago."""

    def leave(days: float, mode: str = "full", *, proven: bool = True, finished: bool = True) -> str:
        began = NOW - timedelta(days=days)
        pull_id = f"{began:%Y%m%dT%H%M%SZ}-0a1b2c3d"
        folder = nights.landing.pull("elm", pull_id)
        folder.write_manifest("validate", {})
        if finished:
            landed = [
                LandedCollection(collection=name, parts={}, proof=PROVEN if proven else UNPROVEN)
                for name in nights.district.wanted()
            ]
            pull = Pull(
                district="elm",
                pull_id=pull_id,
                run_id="r",
                as_of=began,
                mode=mode,
                version="1.2",
                base_url="http://127.0.0.1/",
                collections=landed,
            )
            manifests.save(folder, pull)
        return pull_id

    return leave


def _there(nights) -> set[str]:
    folder = Path(nights.landing.url, "district=elm")
    return {path.name.removeprefix("pull=") for path in folder.glob("pull=*")}


def _sweep(nights, now=NOW):
    return sweep(nights.engine, nights.district, nights.landing, now)


def test_pulls_go_after_their_days_but_never_the_newest_full_one_nor_what_came_after(nights, pull):
    gone = [pull(60), pull(59, "delta"), pull(41), pull(40.5, "delta")]
    kept = [pull(40), pull(39, "delta"), pull(38, proven=False), pull(20, "delta"), pull(0.1, "delta")]
    swept = _sweep(nights)
    assert _there(nights) == set(kept)
    assert (swept.pulls, swept.landed.files) == (len(gone), 2 * len(gone))


def test_a_newer_full_pull_lets_the_older_ones_go(nights, pull):
    pull(60)
    pull(36, "delta")
    kept = {pull(34), pull(2), pull(1, "delta")}
    _sweep(nights)
    assert _there(nights) == kept


def test_an_unfinished_pull_goes_after_a_day_and_not_before(nights, pull):
    pull(1.1, finished=False)
    kept = {pull(0.9, finished=False), pull(2)}
    assert _sweep(nights).pulls == 1
    assert _there(nights) == kept


def test_notes_of_pulls_that_did_not_finish_go_after_a_day(nights, pull):
    old, new = (Path(nights.landing.url, "district=elm", "runs", name, "pull") for name in ("old", "new"))
    for folder, age in ((old, 1.1), (new, 0.5)):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        moment = (NOW - timedelta(days=age)).timestamp()
        os.utime(folder / "manifest.json", (moment, moment))
    assert _sweep(nights).landed.files == 1
    assert not old.exists()
    assert new.exists()


def test_a_district_without_a_folder_has_nothing_to_delete(nights):
    swept = _sweep(nights)
    assert (swept.pulls, swept.landed.files, dict(swept.rows)) == (0, 0, {})
    assert str(swept) == "nothing was old enough to delete"


def _count(nights, table: str) -> int:
    return nights.scalar(f"SELECT count(*) FROM {table} WHERE district_id = 'elm'")


def test_rows_go_after_their_days_each_kind_by_its_own(nights, roster):
    nights.publish(roster("ada", "ben"), rejected={"courses": ["c1", "c2"]})  # 2 November
    nights.publish(roster("ada"), rejected={"courses": ["c3"]})  # 3 November: ben is missing
    nights.publish(roster("ada"))  # 4 November: ben is removed
    nights.publish(roster("ada", "cy"))
    nights.settings(retention=Retention(rejects_days=10, removed_days=20, history_days=30))
    _date_runs(nights)

    removed = datetime(2026, 11, 4, 8, tzinfo=UTC)
    before = {table: _count(nights, f"roster_staging.{table}") for table in ("users", "user_roles", "enrollments")}
    assert _sweep(nights, datetime(2026, 11, 12, 7, tzinfo=UTC)).rows == {}
    assert _sweep(nights, datetime(2026, 11, 12, 9, tzinfo=UTC)).rows == {"roster_ops.rejects": 2}
    assert _sweep(nights, datetime(2026, 11, 20, tzinfo=UTC)).rows == {"roster_ops.rejects": 1}
    assert _sweep(nights, removed + timedelta(days=20)).rows == {}
    swept = _sweep(nights, removed + timedelta(days=20, seconds=1)).rows
    assert swept == {f"roster_staging.{name}": 1 for name in ("users", "user_roles", "enrollments", "accounts")}
    for table, number in before.items():
        assert _count(nights, f"roster_staging.{table}") == number - 1
    assert nights.live("users", "sourced_id") == ["ada", "cy"]

    ended = nights.scalar("SELECT max(_valid_to) FROM roster_history.users")
    assert "roster_history.users" not in _sweep(nights, ended + timedelta(days=30)).rows
    assert _sweep(nights, ended + timedelta(days=30, seconds=1)).rows["roster_history.users"] == 1
    assert nights.scalar("SELECT count(*) FROM roster_history.users WHERE _valid_to IS NULL") == 2


def _date_runs(nights) -> None:
    """The ledger as if each night had run when its pull was made."""
    with nights.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE roster_ops.runs SET started_at = night + time '08:00' AT TIME ZONE 'UTC', finished_at = as_of"
            )
        )


def test_what_readers_had_goes_when_the_publication_that_ended_it_is_old(nights, roster):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))  # ben's row changes: he is missing
    nights.publish(roster("ada"))  # and again: he is removed
    nights.settings(retention=Retention(history_days=30))
    _date_runs(nights)
    ends = "SELECT array_agg(_until_generation ORDER BY _until_generation) FROM roster_history.users_published"
    ended = nights.scalar(ends)
    assert ended == [2, 3]
    second = nights.began + timedelta(days=2)
    assert "roster_history.users_published" not in _sweep(nights, second + timedelta(days=30)).rows
    assert _sweep(nights, second + timedelta(days=30, seconds=1)).rows["roster_history.users_published"] == 1
    assert nights.scalar("SELECT array_agg(_until_generation) FROM roster_history.users_published") == [3]


def test_who_comes_back_while_the_removed_rows_go_is_published_whole(nights, roster):
    from rollcall.pipeline import run

    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada"))
    nights.publish(roster("ada"))
    ref = nights.prepare(roster("ada", "ben"))
    run.map_night(nights.engine, nights.district, ref, nights.landing)  # ben is found as a removed row
    nights.settings(retention=Retention(removed_days=1))
    swept = sweep(nights.engine, nights.district, nights.landing, nights.began + timedelta(days=30))
    assert swept.rows["roster_staging.users"] == 1
    published = run.publish_night(nights.engine, nights.district, ref, nights.landing)
    assert published.counts["users"].added == 1
    assert nights.live("users", "sourced_id") == ["ada", "ben"]


def test_another_districts_rows_stay(nights, roster):
    nights.publish(roster("ada", "ben"))
    with nights.engine.begin() as connection:
        connection.execute(sa.text("UPDATE roster_staging.users SET district_id = 'oak', _removed_at = now()"))
    nights.settings(retention=Retention(removed_days=1))
    assert "roster_staging.users" not in _sweep(nights, datetime.now(UTC) + timedelta(days=99)).rows
    assert nights.scalar("SELECT count(*) FROM roster_staging.users WHERE district_id = 'oak'") == 2


def test_exports_go_after_the_landing_zones_days_but_never_the_newest(nights, monkeypatch, tmp_path):
    monkeypatch.setenv("ROLLCALL_EXPORT", str(tmp_path / "export"))
    for number, age in ((9, 40), (10, 36), (11, 34), (12, 33)):
        folder = tmp_path / "export" / "district=elm" / f"generation={number}"
        folder.mkdir(parents=True)
        (folder / "users.parquet").write_text("x")
        moment = (NOW - timedelta(days=age)).timestamp()
        os.utime(folder / "users.parquet", (moment, moment))
    assert _sweep(nights).landed.files == 2
    left = {path.name for path in (tmp_path / "export" / "district=elm").iterdir()}
    assert left == {"generation=11", "generation=12"}
    _sweep(nights, NOW + timedelta(days=99))
    assert {path.name for path in (tmp_path / "export" / "district=elm").iterdir()} == {"generation=12"}


def test_a_night_does_not_fail_by_it(nights, monkeypatch):
    from rollcall.retention import sweep as module

    def failing(*_):
        raise ValueError("planted-name")

    monkeypatch.setattr(module, "_sweep_landing", failing)
    said = sweep_after_night(nights.engine, nights.district, nights.landing)
    assert said.startswith("Retention failed and is retried")
    assert "planted" not in said
