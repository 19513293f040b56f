"""Reading districts' files: each with `_defaults.yaml` of its folder under it (maps merge, lists replace).

The files are in the folder `ROLLCALL_DISTRICTS` (default `include/districts`). A file with mistakes is an error that
lists all of them, each with its line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from rollcall.errors import ActionRequired
from rollcall.settings.base import nearest
from rollcall.settings.deployment import shard_count, shard_of
from rollcall.settings.district import District
from rollcall.settings.mistakes import Mistake, find_mistakes, merged
from rollcall.settings.retired import find_retired
from rollcall.settings.yaml_text import load_strictly

_DEFAULTS = "_defaults.yaml"


class DistrictFileError(ActionRequired):
    """A district's file, or the defaults, cannot be read.

    :param mistakes: every mistake, those of the district's file first; empty after pickling.
    """

    mistakes: Sequence[Mistake] = ()

    @classmethod
    def of(cls, path: Path, mistakes: Sequence[Mistake]) -> DistrictFileError:
        """The error for a file with these mistakes. One mistake is one sentence; several are a list."""
        if len(mistakes) == 1:
            found = mistakes[0]
            message, remedy = f"{found.file}, line {found.line}: {found.problem}.", found.remedy
        else:
            lines = "".join(f"\n  {mistake}" for mistake in mistakes)
            message, remedy = f"The settings of {path.stem} have {len(mistakes)} mistakes:{lines}", ""
        error = cls("district_file", message, remedy=remedy, district=path.stem)
        error.mistakes = mistakes
        return error


def districts_folder() -> Path:
    """`ROLLCALL_DISTRICTS`; by default the folder that is shipped with the package."""
    return Path(os.environ.get("ROLLCALL_DISTRICTS") or Path(__file__).parents[2] / "districts")


def district_files(folder: Path | None = None, *, shard: int | None = None) -> list[Path]:
    """The districts' files, sorted. Names that begin with `_` or `.` are not districts.

    :param shard: only the districts of this DAG file, from 0.
    """
    folder = folder or districts_folder()
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:  # names, not paths: with 13,000 files, a quarter of the time
        found = sorted(one.name for one in entries if one.name.endswith(".yaml") and one.name[0] not in "_.")
    if shard is not None:
        shards = shard_count()
        found = [name for name in found if shard_of(name.removesuffix(".yaml"), shards) == shard]
    return [folder / name for name in found]


def load_district(path: Path) -> District:
    """Read one district's file over the defaults of its folder.

    :raises DistrictFileError: `district_file` with every mistake.
    """
    defaults = path.parent / _DEFAULTS
    try:
        data, is_clear = _read([defaults, path] if defaults.exists() else [path])
        district = msgspec.convert(data, District)
        is_clear = is_clear and district.district == path.stem
        reason = ""
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError, TypeError, msgspec.ValidationError) as exc:
        is_clear, reason = False, str(exc)
    if is_clear:
        return district
    mistakes = find_mistakes(path, defaults)
    if not mistakes and not reason:
        return district
    raise DistrictFileError.of(path, mistakes or [Mistake(path.name, 1, "", reason, "")]) from None


def _read(files: Sequence[Path]) -> tuple[dict[str, Any], bool]:
    """The merged content of files, the last one on top, and whether it certainly is what a person reads in them.

    :raises TypeError: if the content is not a map of settings.
    """
    data: dict[str, Any] = {}
    is_clear = True
    for file in files:
        content, is_suspicious = _parse(file.read_text(encoding="utf-8-sig"))
        content = {} if content is None else content
        if not isinstance(content, dict):
            raise TypeError("not a map of settings")
        is_clear = is_clear and not is_suspicious and not any(find_retired(content))
        data = merged(data, content)
    if isinstance(data.get("version"), float):
        data["version"] = str(data["version"])
    return data, is_clear


#: The defaults are under every district, so they are parsed once. Nothing changes what this returns.
_parse = lru_cache(maxsize=2)(load_strictly)


def load_districts(
    only: str | None = None, *, shard: int | None = None
) -> tuple[list[District], list[DistrictFileError]]:
    """Every district that can be read, and the errors of the files that cannot. A broken file stops no other district.

    :param only: read only this district's file, as a task of its DAG does when it starts. `shard` does not matter then.
    :param shard: read only the districts of this DAG file, from 0.
    """
    districts: list[District] = []
    errors: list[DistrictFileError] = []
    for path in district_files(shard=shard) if only is None else _file_of(only):
        try:
            districts.append(load_district(path))
        except DistrictFileError as error:
            errors.append(error)
    return districts, errors


def district_path(name: str) -> Path:
    """The file of a district, by its ID or by the path to its file. It may not exist."""
    return Path(name) if name.endswith((".yaml", ".yml")) or "/" in name else districts_folder() / f"{name}.yaml"


def _file_of(district_id: str) -> list[Path]:
    """The district's file, if there is one. A task does not list the folder: 13,000 files would take it 0.1 s."""
    path = districts_folder() / f"{district_id}.yaml"
    return [path] if path.name[0] not in "_." and path.is_file() else []


def find_district(name: str) -> District:
    """A district by its id, or by the path to its file.

    :raises ActionRequired: `district_unknown`, with the nearest district; `district_file`.
    """
    path = district_path(name)
    if not path.is_file():
        near = nearest(path.stem, [file.stem for file in district_files(path.parent)])
        raise ActionRequired(
            "district_unknown",
            f"There is no district '{name}' in {path.parent}{near}.",
            remedy="Name a district of that folder, or set ROLLCALL_DISTRICTS to the folder of your districts.",
        )
    return load_district(path)


def describe_errors(errors: Iterable[DistrictFileError]) -> str:
    """Every mistake of several files, each once and on its own line. One in the defaults breaks all districts."""
    return "\n".join(dict.fromkeys(str(mistake) for error in errors for mistake in error.mistakes))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a district's file, for editors."""
    return msgspec.json.schema(District)
