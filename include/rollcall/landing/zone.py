"""The landing zone: files that are written once, and manifests that list the valid ones.

It is one URL, used through fsspec: `ROLLCALL_LANDING`, by default a local folder; `s3://…` for several machines.
Layout: `district=<id>/pull=<UTC timestamp>-<random>/<stage>/<collection>/part-*.parquet`. A repeated stage writes new
parts and replaces its manifest last. Only files in a manifest are read, never a listing, so the next stage sees the old
result or the new one. Local folders are private to the service user.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from rollcall.errors import RollcallError
from rollcall.files.private import replace_private

# In each task's log, the libraries of S3 announce where they found credentials and endpoint.
for _library in ("aiobotocore", "botocore"):
    logging.getLogger(_library).setLevel(logging.WARNING)


def default_landing() -> str:
    """`ROLLCALL_LANDING`, else a folder in the working directory."""
    return os.environ.get("ROLLCALL_LANDING") or str(Path.cwd() / ".rollcall" / "landing")


@dataclass(frozen=True)
class Landing:
    """The landing zone of all districts.

    :param url: a folder or any URL fsspec knows.
    """

    url: str

    def pull(self, district: str, pull_id: str) -> PullFolder:
        """The folder of one pull, whether it exists yet or not."""
        return PullFolder(self.url, f"district={district}/pull={pull_id}")

    def pulls(self, district: str) -> list[str]:
        """The ids of a district's pulls, finished or not, sorted."""
        files, path = fsspec.core.url_to_fs(f"{self.url.rstrip('/')}/district={district}")
        if not files.isdir(path):
            return []
        files.invalidate_cache(path)
        names = (str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in files.ls(path, detail=False))
        return sorted(name.removeprefix("pull=") for name in names if name.startswith("pull="))


@dataclass(frozen=True)
class PullFolder:
    """One pull's folder: the parts that stages wrote, and each stage's manifest that lists them."""

    url: str
    path: str

    def write_part(self, stage: str, table: str, data: pa.Table) -> tuple[str, str]:
        """Write rows as one Parquet file with a unique name.

        :returns: its path relative to the pull and its SHA-256, for the manifest.
        """
        name = f"{stage}/{table}/part-{secrets.token_hex(6)}.parquet"
        buffer = io.BytesIO()
        pq.write_table(data, buffer, compression="zstd", compression_level=1)
        content = buffer.getbuffer()
        self._write(name, content)
        return name, hashlib.sha256(content).hexdigest()

    def read_part(self, name: str, sha256: str, columns: list[str]) -> pa.Table:
        """These columns of one Parquet file.

        :raises RollcallError: `landing_damaged` when the file is missing or differs from the manifest.
        """
        try:
            with fsspec.open(self._full(name), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RollcallError(
                "landing_damaged",
                f"The file {self.path}/{name} of the landing zone is missing or was changed after it was written.",
                remedy="Run the night again; it pulls again. Nothing was published from this file.",
            )
        return pq.ParquetFile(pa.BufferReader(content)).read(columns=columns)

    def write_manifest(self, stage: str, manifest: dict[str, Any]) -> None:
        """Write a stage's manifest, in one step, after its parts."""
        self._write(f"{stage}/manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())

    def read_manifest(self, stage: str) -> dict[str, Any]:
        """Read a stage's manifest.

        :raises RollcallError: `not_landed` when the stage has not finished for this pull, or retention deleted it.
        """
        try:
            with fsspec.open(self._full(f"{stage}/manifest.json"), "rb") as file:
                manifest: dict[str, Any] = json.loads(file.read())
        except FileNotFoundError:
            raise RollcallError(
                "not_landed",
                f"The pull {self.path} has nothing from the stage {stage} in the landing zone.",
                remedy="Run the earlier stages first. If workers are on several machines, set ROLLCALL_LANDING to "
                "storage that all of them can reach.",
            ) from None
        return manifest

    def _full(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{self.path}/{name}"

    def _write(self, name: str, content: bytes | memoryview) -> None:
        replace_private(self._full(name), content)
