"""Peak memory and speed of extract for a district with a million enrollments.

    python bench/extract_memory.py [--enrollments 1000000] [--page-size 5000]

The sandbox serves the district in its own process. The figures are those of the extracting process, whose landing zone
is deleted afterwards. Exit code 1 if its peak resident memory misses the target.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection

from rollcall.extract.pull import extract
from rollcall.landing.manifests import load
from rollcall.landing.pull import Pull
from rollcall.landing.zone import Landing
from rollcall.oneroster import OneRosterClient, OneRosterConnection
from rollcall.runtime.memory import limit_memory_retention
from rollcall.settings import District, ExtractSettings

MOST_MB = 500
#: Minimum enrollments per generated student, including those of teachers.
ENROLLMENTS_PER_STUDENT = 6.3


def serve(students: int, connection: Connection) -> None:
    """Serve the district until the parent closes the connection."""
    from rollcall_sandbox import Sandbox, SandboxDistrict

    served = SandboxDistrict(app="maple", version="1.2", students=students)
    with Sandbox([served]) as sandbox:
        connection.send((sandbox.base_url("maple"), sandbox.token_url("maple"), served.client_id, served.client_secret))
        connection.poll(None)


def resident_mb() -> float:
    """Peak resident memory of this process so far; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description="Peak memory and speed of extract.")
    parser.add_argument("--enrollments", type=int, default=1_000_000)
    parser.add_argument("--page-size", type=int, default=5000)
    options = parser.parse_args()
    limit_memory_retention()  # as every night does
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.getLogger("rollcall").setLevel(logging.INFO)

    district = District(
        district="maple",
        name="Maple",
        version="1.2",
        usernames="email",
        extract=ExtractSettings(page_size=options.page_size),
    )
    here, there = multiprocessing.Pipe()
    students = round(options.enrollments / ENROLLMENTS_PER_STUDENT)
    serving = multiprocessing.get_context("spawn").Process(target=serve, args=(students, there), daemon=True)
    serving.start()
    there.close()
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder, here:
        base_url, token_url, client_id, secret = here.recv()
        before = resident_mb()
        connection = OneRosterConnection(base_url, client_id, secret, auth_url=token_url)
        with OneRosterClient(connection, **district.client_options()) as client:
            began = time.monotonic()
            ref = extract(client, district, Landing(folder), run_id="bench")
            seconds = time.monotonic() - began
        pull = load(ref.folder(Landing(folder)), Pull)
    serving.join(10)
    rows = {landed.collection: landed.rows(landed.collection) for landed in pull.collections}
    total, peak = sum(rows.values()), resident_mb()
    lines = [f"{collection:<18} {count:>10,} rows" for collection, count in rows.items()]
    lines += [
        f"rows/s             {total / seconds:>10,.0f}  ({total:,} in {seconds:.1f} s)",
        f"resident memory    {peak:>10,.0f} MB at its peak, {before:,.0f} MB before the first request",
        f"requests           {pull.usage.requests:>10,}  ({pull.usage.most_at_once} at once at most)",
        f"target             {MOST_MB:>10,} MB: {'met' if peak < MOST_MB else 'MISSED'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if peak < MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
