"""The distribution: what a wheel of Rollcall puts where, next to another Astro project."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files git knows, so that no leftover of a build gets in."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, map(bytes.decode, files)):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--no-build-isolation"]
    subprocess.run([*command, "--out-dir", str(built), str(source)], check=True, capture_output=True)
    return next(built.glob("*.whl"))


def test_wheel_holds_no_package_called_include(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {"rollcall", "rollcall_local", "rollcall_sandbox", "oneroster_provider"}
    assert "rollcall/warehouse/migrations/env.py" in names


def test_wheel_works_beside_an_astro_project_with_an_include_of_its_own(wheel: Path, tmp_path: Path) -> None:
    site, project = tmp_path / "site", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(site)
    (project / "include").mkdir(parents=True)
    (project / "include" / "__init__.py").write_text("OWNER = 'the other project'\n")
    (project / "include" / "errors.py").write_text("raise RuntimeError('another project\\'s module was imported')\n")
    program = (
        "import include, rollcall.cli.main, rollcall.pipeline.run, rollcall.warehouse.migrate, sys;"
        "print(include.OWNER, rollcall.cli.main.__file__, 'include.errors' in sys.modules)"
    )
    # -S -P: neither this checkout's editable install nor the current folder may answer in the wheel's place
    paths = [str(project), str(site), *(path for path in sys.path if path.endswith("site-packages"))]
    ran = subprocess.run(
        [sys.executable, "-S", "-P", "-c", f"import sys; sys.path[:0] = {paths!r}; {program}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["the", "other", "project", str(site / "rollcall" / "cli" / "main.py"), "False"]
