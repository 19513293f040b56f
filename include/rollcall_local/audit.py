"""`make audit`: licenses, an SBOM, and known vulnerabilities of everything that `make setup` installs.

Licenses are read from the installed packages, without a network. The SBOM (CycloneDX) and the search for
vulnerabilities need tools, which get an environment of their own. The search asks a public database about each package.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import Distribution, distributions

from rollcall.errors import RollcallError
from rollcall_local.airflow_env import PROJECT
from rollcall_local.side_venv import side_venv

_REQUIREMENTS = PROJECT / "include" / "rollcall_local" / "audit-requirements.txt"
_LOCK = PROJECT / "requirements.lock"
_SBOM = PROJECT / ".rollcall" / "sbom.json"

#: Licenses that allow use in a service and in a product. LGPL and MPL do, for libraries that are not changed.
_ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public|Unlicense|Zlib|LGPL|Lesser|CC0|"
    r"HPND|PostgreSQL|Public Domain|0BSD|BSL-1\.0|Boost|Artistic)",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"\b(AGPL|Affero|SSPL|BUSL|BSL.1\.1|Business Source|Commons Clause|Proprietary)", re.IGNORECASE)

#: Used by `make lint` and by tests of the page only, and in no image. axe-playwright-python (MIT) has no license in its
#: metadata.
_TOOLS = {"axe-playwright-python", "codespell"}


def main() -> int:
    """Print what was found. 1: a license that is not allowed, or a vulnerability."""
    refused = refused_licenses()
    for name, text in refused.items():
        print(f"{name}: {text or 'no license in its metadata'}")
    print(f"licenses: {sum(1 for _ in distributions())} packages, {len(refused)} to look at")
    try:
        programs = side_venv("audit", _REQUIREMENTS)
    except RollcallError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        return 1
    sbom = [str(programs / "cyclonedx-py"), "environment", sys.executable, "--output-file", str(_SBOM)]
    failed = subprocess.run(sbom, check=False).returncode
    print(f"SBOM: {_SBOM.relative_to(PROJECT)}")
    search = [str(programs / "pip-audit"), "--disable-pip", "--require-hashes", "--requirement", str(_LOCK)]
    search += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(search, check=False, stdout=subprocess.PIPE, text=True)
    lines, is_clean = vulnerabilities(done.stdout)
    print("\n".join(lines))
    return int(bool(failed or refused or not is_clean))


def vulnerabilities(found: str) -> tuple[list[str], bool]:
    """What pip-audit found, and whether it looked at every package and found nothing.

    Where the database does not answer, pip-audit ends as if nothing had been found.

    :param found: its JSON; anything else is a search that failed.
    """
    try:
        packages = json.loads(found)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return ["vulnerabilities: the search failed; see above"], False
    lines = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
        for package in packages
        for vulnerability in package.get("vulns", ())
    ]
    skipped = sum("skip_reason" in package for package in packages)
    lines.append(f"vulnerabilities: {len(packages) - skipped} of {len(packages)} packages checked, {len(lines)} found")
    if skipped:
        lines.append("The database does not know the others, or cannot be reached from here. Run it again elsewhere.")
    return lines, bool(packages) and not skipped and len(lines) == 1


def refused_licenses() -> dict[str, str]:
    """Installed packages whose license is unknown or not allowed, with what their metadata says."""
    found = {distribution.metadata["Name"]: license_of(distribution) for distribution in distributions()}
    return {
        name: text for name, text in sorted(found.items()) if name not in ("rollcall", *_TOOLS) and not is_allowed(text)
    }


def is_allowed(text: str) -> bool:
    """Whether a license allows use in a service and in a product. BSL is Boost's (1.0) or Business Source (1.1)."""
    return bool(_ALLOWED.search(text)) and not _REFUSED.search(text)


def license_of(distribution: Distribution) -> str:
    """The license by its expression, its classifiers, and the start of its text."""
    fields = distribution.metadata.json
    classifiers = [text for text in fields.get("classifier", ()) if str(text).startswith("License ::")]
    texts = (fields.get("license_expression"), " ".join(map(str, classifiers)), str(fields.get("license", ""))[:200])
    return " ".join(str(text) for text in texts if text)


if __name__ == "__main__":
    sys.exit(main())
