"""A landing zone in a bucket, as workers on several machines share it.

S3 is moto's server, over real HTTP. Both come with `.ci/requirements.txt`; without them these tests are skipped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import fsspec
import pytest

from rollcall.errors import RollcallError
from rollcall.landing.zone import Landing
from rollcall.retention.folders import DistrictFolder

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, int]]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(s3: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    host, port = s3
    name = f"rosters-{uuid.uuid4().hex[:8]}"
    for variable, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}/landing"
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def shared(nights, bucket):
    nights.landing = Landing(bucket)
    return nights


def test_nights_leave_nothing_on_a_disk(shared, roster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    for names in (["ada", "ben"], ["ada", "ben", "cy"], ["ada", "cy"], ["ada", "cy"]):
        shared.publish(roster(*names, teacher=True))
    assert shared.live("users", "sourced_id") == ["ada", "cy", "teacher"]
    assert set(tmp_path.rglob("*")) == before
    assert len(shared.landing.pulls("elm")) == 4


def test_a_changed_file_is_noticed(shared, roster):
    ref = shared.prepare(roster("ada"))
    from rollcall.pipeline import run

    files = fsspec.filesystem("s3")
    [part] = [path for path in files.find(shared.landing.url) if "/users/" in path and path.endswith(".parquet")]
    files.pipe(part, b"damaged")
    with pytest.raises(RollcallError) as caught:
        run.map_night(shared.engine, shared.district, ref, shared.landing)
    assert caught.value.code == "landing_damaged"


def test_retention_and_purge_delete_objects(shared, roster):
    shared.publish(roster("ada"))
    shared.publish(roster("ada", "ben"))
    folder = DistrictFolder(shared.landing.url, "elm")
    first, second = shared.landing.pulls("elm")
    assert folder.delete_pull(first).files > 0
    assert shared.landing.pulls("elm") == [second]
    assert folder.delete().files > 0
    assert fsspec.filesystem("s3").find(shared.landing.url) == []
