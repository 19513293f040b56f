"""What is installed is what was locked: each package by version and hash, from no place that the lock names."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rollcall_local import audit, make_venv

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_every_package_has_a_version_and_hashes() -> None:
    blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", LOCK).strip())
    assert len(blocks) > 150
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==[0-9]\S*", block), block
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


def test_the_lock_names_no_place() -> None:
    assert "://" not in LOCK
    assert not re.search(r"(?m)^\s*(-i|--index|--extra-index|--find-links|-f|-e)\b", LOCK)


def test_a_package_with_another_hash_is_refused(tmp_path: Path) -> None:
    """By the options that `make setup` uses, with a wheel that is on this machine."""
    wheel = tmp_path / "planted-1.0-py3-none-any.whl"
    subprocess.run([sys.executable, "-c", _MAKE_WHEEL, str(wheel)], check=True, cwd=tmp_path)
    requirements = tmp_path / "requirements.txt"
    command = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-index", "--find-links", str(tmp_path)]
    command += ["--target", str(tmp_path / "site"), "--require-hashes", "--requirement", str(requirements)]
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    outcomes = []
    for line in ("planted==1.0", f"planted==1.0 --hash=sha256:{'0' * 64}", f"planted==1.0 --hash=sha256:{right}"):
        requirements.write_text(line + "\n")
        outcomes.append(subprocess.run(command, capture_output=True, text=True))
    assert [done.returncode == 0 for done in outcomes] == [False, False, True]
    assert all("hash" in done.stderr.lower() for done in outcomes[:2])


def test_setup_insists_on_hashes() -> None:
    source = Path(make_venv.__file__).read_text(encoding="utf-8")
    installs = re.findall(r'"--requirement"|"sync"', source)
    assert len(installs) == source.count('"--require-hashes"') == 3
    assert "--hash=sha256:" in make_venv._locked("uv")


def test_every_license_is_allowed() -> None:
    assert audit.refused_licenses() == {}


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("BSL-1.0", True),
        ("License :: OSI Approved :: Boost Software License 1.0 (BSL-1.0)", True),
        ("MIT OR Apache-2.0", True),
        ("BSL", False),
        ("BSL 1.1", False),
        ("BSL-1.1 (MIT after four years)", False),
        ("BUSL-1.1", False),
        ("Business Source License 1.1", False),
        ("MIT with Commons Clause", False),
        ("", False),
    ],
)
def test_boost_is_allowed_and_business_source_is_not(text: str, allowed: bool) -> None:
    assert audit.is_allowed(text) is allowed


@pytest.mark.parametrize(
    ("packages", "last", "is_clean"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], "1 of 1 packages checked, 0 found", True),
        ([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}]}], "1 found", False),
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "no"}], "1 of 2 packages", False),
    ],
)
def test_a_search_that_looked_at_nothing_is_not_a_clean_one(packages: list[Any], last: str, is_clean: bool) -> None:
    """pip-audit ends with 0 and "No known vulnerabilities found" where its database does not answer."""
    lines, found = audit.vulnerabilities(json.dumps({"dependencies": packages, "fixes": []}))
    assert found is is_clean
    assert last in "\n".join(lines)
    assert audit.vulnerabilities("")[1] is False


_MAKE_WHEEL = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("planted.py", "")
    wheel.writestr("planted-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: planted\\nVersion: 1.0\\n")
    wheel.writestr("planted-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("planted-1.0.dist-info/RECORD", "")
"""
