"""A change to a district's file: made, checked, shown as a diff, and only then written."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from include import yaml_lines
from include.errors import NeedsPerson
from include.settings import District, districts_folder, find_district, load_district


@dataclass(frozen=True)
class DistrictFile:
    """One district's file as it is now.

    :param text: with the line breaks it has.
    """

    path: Path
    text: str
    district: District

    @classmethod
    def of(cls, name: str) -> DistrictFile:
        """The file of a district named by id or path.

        :raises NeedsPerson: `district_unknown`, `district_file`.
        """
        district = find_district(name)
        is_path = name.endswith((".yaml", ".yml")) or "/" in name
        path = Path(name) if is_path else districts_folder() / f"{name}.yaml"
        return cls(path.resolve(), _read(path), district)

    def edited(self, change: Callable[[str], str]) -> Edit:
        """What the file would be; it is read as a district before anything is written.

        :param change: from the file's text to another.
        :raises NeedsPerson: `district_file` when the district would not be one any more.
        """
        text = change(self.text)
        with tempfile.TemporaryDirectory(prefix="rollcall-edit-") as folder:
            defaults = self.path.parent / "_defaults.yaml"
            if defaults.exists():
                shutil.copyfile(defaults, Path(folder) / defaults.name)
            trial = Path(folder) / self.path.name
            _write(trial, text)
            return Edit(self, text, load_district(trial))


@dataclass(frozen=True)
class Edit:
    """A change that was checked and not yet written.

    :param text: the whole file as it would be.
    :param district: what it would say.
    """

    file: DistrictFile
    text: str
    district: District

    @property
    def changes_nothing(self) -> bool:
        return yaml_lines.load(self.text) == yaml_lines.load(self.file.text)

    def diff(self) -> str:
        """The lines that differ, as `diff -u` has them."""
        name = self.file.path.name
        before, after = (text.splitlines() for text in (self.file.text, self.text))
        return "\n".join(difflib.unified_diff(before, after, name, name, lineterm="", n=1))

    def write(self) -> None:
        """Put the file in place of the old one at once; a reader sees the old text or the new.

        :raises NeedsPerson: `district_file_changed` when somebody else wrote it meanwhile, `district_file_readonly`.
        """
        path = self.file.path
        if _read(path) != self.file.text:
            raise NeedsPerson(
                "district_file_changed",
                f"{path.name} was changed by somebody else while this was being decided.",
                remedy="Nothing was written. Give the command again.",
                district=self.file.district.district,
            )
        beside = path.with_name(f".{path.name}.new")
        try:
            _write(beside, self.text)
            shutil.copymode(path, beside)
            beside.replace(path)
        except OSError as exc:
            with suppress(OSError):
                beside.unlink()
            raise NeedsPerson(
                "district_file_readonly",
                f"{path.name} cannot be written here ({exc.strerror}).",
                remedy="Make the change shown above where the districts' files are kept, and deploy it.",
                district=self.file.district.district,
            ) from None


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
