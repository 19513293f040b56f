"""Every mistake in a district's file is reported at once, each with its line, key, and the nearest valid value."""

from __future__ import annotations

import pickle
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.errors import ActionRequired
from rollcall.settings import DistrictFileError, load_district, load_districts
from rollcall.settings import files as settings_files

SMALLEST = 'district: maple\nname: Maple Unified School District\nversion: "1.2"\nusernames: email\n'
NAMELESS = SMALLEST.replace("usernames: email\n", "")
SITES = "sites:\n  targets: {ME: Maple Elementary, MH: Maple High, M2: Maple High}\n  map: "


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    return tmp_path


def _error(folder: Path, text: str | bytes) -> DistrictFileError:
    path = folder / "maple.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DistrictFileError) as caught:
        load_district(path)
    assert caught.value.code == "district_file"
    return caught.value


#: A file, the line and key of each mistake, and what the message must contain.
WRONG = [
    # keys
    (SMALLEST + "shcedule: {}\n", [(5, "shcedule")], "did you mean 'schedule'"),
    (SMALLEST + "schedule:\n  nightly: spread\n  timezon: UTC\n", [(7, "schedule.timezon")], "'timezone'"),
    (SMALLEST + "guards: {student: 5%}\n", [(5, "guards.student")], "did you mean 'students'"),
    (SMALLEST + "zzz: 1\n", [(5, "zzz")], "Valid keys: district, name, version"),
    (NAMELESS, [(1, "")], "missing key 'usernames'. Add `usernames: email`"),
    ("", [(1, "")] * 4, "missing key 'district'. Add `district: maple`"),
    ("usrnames: email\n", [(1, "usrnames"), (1, ""), (1, ""), (1, "")], "did you mean 'usernames'"),
    (SMALLEST + "pool: a\nowner: b\npool: c\n", [(7, "pool")], "given twice, first in line 5"),
    (SMALLEST + "people:\n  p1: {exclude: true, reason: x}\n  p1: {username: a}\n", [(7, "people.p1")], "twice"),
    (SMALLEST + "people: {p1: {exclude: true}}\n", [(5, "people.p1")], "missing key 'people.p1.reason'"),
    # values with a vocabulary
    (SMALLEST.replace('"1.2"', '"1.3"'), [(3, "version")], "must be 1.1 or 1.2, not '1.3'"),
    (SMALLEST + "schedule: {full_on: Sunnday}\n", [(5, "schedule.full_on")], "did you mean 'sunday'"),
    (SMALLEST + "schedule: {timezone: Mars/Olympus}\n", [(5, "schedule.timezone")], "is not a time zone"),
    (SMALLEST + "schedule: {timezone: Central Time}\n", [(5, "schedule.timezone")], "'America/Chicago'"),
    (SMALLEST + "schedule: {timezone: Los Angeles}\n", [(5, "schedule.timezone")], "'America/Los_Angeles'"),
    (SMALLEST + "schedule: {timezone: America/Chigaco}\n", [(5, "schedule.timezone")], "'America/Chicago'"),
    (SMALLEST + "roles: {guardian: stuff}\n", [(5, "roles.guardian")], "did you mean 'staff'"),
    (SMALLEST + "collections: [orgs,\n  enrolments]\n", [(6, "collections")], "did you mean 'enrollments'"),
    (SMALLEST + "collections: [academicSessions]\n", [(5, "collections")], "did you mean 'academic_sessions'"),
    (SMALLEST + "filters: {terms: aktive}\n", [(5, "filters.terms")], "did you mean 'active'"),
    (SMALLEST + "rules: {orphan: {severity: warn, reason: x}}\n", [(5, "rules.orphan.severity")], "'warning'"),
    (SMALLEST + "person_key: sourced_id\n", [(5, "person_key")], "did you mean 'sourcedId'"),
    (
        SMALLEST + "rollover: {from: 2026-07-01, to: 2026-08-01, accept: [clases]}\n",
        [(5, "rollover.accept")],
        "'classes'",
    ),
    (SMALLEST.replace("email", "e-mail"), [(4, "usernames")], "did you mean 'email'"),
    (SMALLEST.replace("email", "userids.LDAP"), [(4, "usernames")], "did you mean 'userIds.LDAP'"),
    (
        NAMELESS + "usernames:\n  student:\n    - field: email\n      transform:\n        - trim\n        - trm\n"
        "  staff: [{field: email, transfrom: [trim]}]\n",
        [(9, "usernames.student.transform"), (10, "usernames.staff.transfrom")],
        "did you mean 'trim'",
    ),
    (
        NAMELESS + "usernames:\n  student: [{field: email, transform: [{prefix: 1}, {lower: x}]}]\n"
        "  staff: [{field: email, transform: [{regex: ['[', b]}], pattern: '('}]\n",
        [
            (5, "usernames.student.transform"),
            (5, "usernames.student.transform"),
            (6, "usernames.staff.transform"),
            (6, "usernames.staff.pattern"),
        ],
        "is not a regular expression",
    ),
    # sites
    (SMALLEST + SITES + "{a: ME3}\n", [(7, "sites.map.a")], "did you mean 'ME'"),
    (SMALLEST + SITES + "{a: Maple Elementry}\n", [(7, "sites.map.a")], "did you mean 'Maple Elementary'"),
    (SMALLEST + SITES + "{a: maple high}\n", [(7, "sites.map.a")], "the name of 2 sites. Give the ID: MH, M2."),
    (SMALLEST + SITES + "\n    a: XX\n    b: ME\n    c: YY\n", [(8, "sites.map.a"), (10, "sites.map.c")], "'YY'"),
    (SMALLEST + "sites:\n  map: {a: b}\n", [(5, "sites")], "has neither targets nor a query"),
    (SMALLEST + "sites: {targets: [A], query: SELECT 1}\n", [(5, "sites.query")], "cannot both be given"),
    (SMALLEST + "sites: {targets: [exclude]}\n", [(5, "sites.targets")], "reserved"),
    # types and ranges, in words
    (SMALLEST + "extract: {page_size: many}\n", [(5, "extract.page_size")], "must be a whole number, not 'many'"),
    (SMALLEST + 'extract: {page_size: "100"}\n', [(5, "extract.page_size")], "without quotes. Write 100."),
    (SMALLEST + "extract: {concurrency: 20}\n", [(5, "extract.concurrency")], "between 1 and 5"),
    (
        SMALLEST + "extract: {concurrency: 2, peak_concurrency: 3}\n",
        [(5, "extract.peak_concurrency")],
        "1 and concurrency, 2",
    ),
    (SMALLEST + "guards: {others: 125%}\n", [(5, "guards.others")], "a share such as 10%, at most 100%, not '125%'"),
    (SMALLEST + "guards: {staff: 10}\n", [(5, "guards.staff")], "Write 10%."),
    (SMALLEST + "enabled: maybe\n", [(5, "enabled")], "must be true or false, not 'maybe'"),
    (SMALLEST + "retention: 5\n", [(5, "retention")], "must be a map such as {key: value}, not '5'"),
    (SMALLEST + "owner: [a]\n", [(5, "owner")], "must be a text, not a list"),
    (SMALLEST + "collections: {a: b}\n", [(5, "collections")], "must be a list such as [a, b], not a map"),
    (SMALLEST + "schedule:\npool: x\n", [(5, "schedule")], "has no value"),
    (SMALLEST + "retention: {landing_days: 0}\n", [(5, "retention.landing_days")], "at least 1 day"),
    (SMALLEST + "schedule: {off_peak: always}\n", [(5, "schedule.off_peak")], "hours such as 22:00-05:00"),
    (SMALLEST + "schedule: {nightly: 2 am}\n", [(5, "schedule.nightly")], "five fields"),
    (SMALLEST + "schedule: {nightly: 0 0 30 2 *}\n", [(5, "schedule.nightly")], "with a next time"),
    (SMALLEST + "filters: {start_early: 3 weeks}\n", [(5, "filters.start_early")], "14 days"),
    (
        SMALLEST + "filters: {require_class: true}\ncollections: [orgs, users]\n",
        [(5, "filters.require_class")],
        "not pulled: academic_sessions, classes, enrollments",
    ),
    (SMALLEST.replace("t: maple", "t: Maple"), [(1, "district")], "lowercase letters"),
    (SMALLEST.replace("t: maple", "t: connections"), [(1, "district")], "roster_connections"),
    (SMALLEST.replace("t: maple", "t: oak"), [(1, "district")], "district is 'oak', but the file is maple.yaml"),
    # dates
    (SMALLEST + "starts_on: 11/21/2026\n", [(5, "starts_on")], "did you mean 2026-11-21"),
    (SMALLEST + "starts_on: 2026-11-31\n", [(5, "starts_on")], "not a date in the calendar: 2026-11-31"),
    (SMALLEST + "starts_on: 2026-11-21 10:00:00\n", [(5, "starts_on")], "Write 2026-11-21."),
    (SMALLEST + "rollover: {from: 2026-08-01, to: 2026-07-01}\n", [(5, "rollover.to")], "2026-07-01, before from"),
    (
        SMALLEST + "people: {p1: {exclude: true, reason: x, from: 2026-08-01, until: 2026-07-01}}\n",
        [(5, "people.p1.until")],
        "2026-07-01, before from, 2026-08-01",
    ),
    # what YAML reads in another way than people
    (SMALLEST.replace("email", "on"), [(4, "usernames")], 'YAML reads on as true. Write "on" in quotes.'),
    (SMALLEST + SITES + "{no: ME}\n", [(7, "sites.map.no")], "YAML reads no as false"),
    (SMALLEST + SITES + "{0012: ME, 68: ME}\n", [(7, "sites.map.0012"), (7, "sites.map.68")], "YAML reads 0012 as 10"),
    (SMALLEST + "extract: {page_size: 0500}\n", [(5, "extract.page_size")], "YAML reads 0500 as 320"),
    (SMALLEST + "schedule: {publish_by: 6:00}\n", [(5, "schedule.publish_by")], 'Write "6:00" in quotes.'),
    (SMALLEST + "owner: 12:30\n", [(5, "owner")], "YAML reads 12:30 as 750"),
    (SMALLEST + "filters: {grades: [09, 10]}\n", [(5, "filters.grades")], 'Write "10" in quotes.'),
    (SMALLEST + "owner: 2026-11-21\npool: 1.5\n", [(5, "owner"), (6, "pool")], "YAML reads 2026-11-21 as a date"),
    (SMALLEST + "pool: &p x\nowner: *p\n", [(5, ""), (6, "")], "'&p' is an anchor"),
    (SMALLEST + "schedule:\n  <<: {timezone: UTC}\n", [(6, "schedule.<<")], "merge key"),
    # the YAML itself
    ("- maple\n", [(1, "")], "Begin with `district: …`"),
    (SMALLEST + "sites: [\n", [(6, "")], "Close the bracket"),
    (SMALLEST + "sites: {a: [b}\n", [(5, "")], "Close the bracket"),
    (SMALLEST + "\tpool: x\n", [(5, "")], "is indented with a tab. Indent with spaces."),
    (SMALLEST + "pool: a: b\n", [(5, "")], "second colon"),
    (SMALLEST + "pool\nowner: x\n", [(5, "")], "has a text without a colon"),
    (SMALLEST + 'owner: "x\npool: y\n', [(5, "")], "a quote that is never closed"),
    (SMALLEST + "owner: @x\n", [(5, "")], "Put the text in quotes: '@…'."),
    (SMALLEST + "owner: *x\n", [(5, "")], "begins a text with *"),
    (SMALLEST + "owner: !x y\n", [(5, "")], "begins with !"),
    (SMALLEST + 'owner: "\\d"\n', [(5, "")], "Use single quotes"),
    (SMALLEST + "schedule:\n   nightly: spread\n  timezone: UTC\n", [(7, "")], "Align the line"),
    (SMALLEST + "---\na: b\n", [(5, "")], "one district in a file"),
    (SMALLEST + "? [a]\n: b\n", [(5, "")], "A key must be a text"),
    (SMALLEST + "owner: a\x07b\n", [(5, "")], "may be invisible"),
    (SMALLEST.encode() + b"owner: Zo\xeb\n", [(5, "")], "Save the file as UTF-8."),
    (SMALLEST + "pool: " + "[" * 5000 + "\n", [(6, "")], ""),
]


@pytest.mark.parametrize(("text", "places", "hint"), WRONG)
def test_each_mistake_has_its_line_its_key_and_words(folder, text, places, hint):
    error = _error(folder, text)
    assert [(mistake.line, mistake.key) for mistake in error.mistakes] == places
    assert hint in str(error)
    assert not any(
        machine in str(error) for machine in ("Expected `", "datetime.", "Object ", "`str`", "<class", "\\x")
    )


MANY = (
    SMALLEST
    + "shcedule: {}\nstarts_on: 11/21/2026\nextract: {concurrency: 9}\nguards:\n  students: 10\n  others: 125%\n"
    + "roles: {guardian: stuff, teacher: leave_out}\ncollections: [orgz]\n"
)


def test_all_mistakes_of_a_file_and_of_the_defaults_come_at_once(folder):
    (folder / "_defaults.yaml").write_text("owner: x\nscedule: {}\nretention: {landing_days: 0}\n", encoding="utf-8")
    error = _error(folder, MANY)
    assert [(mistake.file, mistake.line, mistake.key) for mistake in error.mistakes] == [
        ("maple.yaml", 5, "shcedule"),
        ("maple.yaml", 6, "starts_on"),
        ("maple.yaml", 7, "extract.concurrency"),
        ("maple.yaml", 9, "guards.students"),
        ("maple.yaml", 10, "guards.others"),
        ("maple.yaml", 11, "roles.teacher"),
        ("maple.yaml", 11, "roles.guardian"),
        ("maple.yaml", 12, "collections"),
        ("_defaults.yaml", 2, "scedule"),
        ("_defaults.yaml", 3, "retention.landing_days"),
    ]
    assert "The settings of maple have 10 mistakes:" in error.message
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - as Airflow hands an error from a task to its supervisor
    assert (str(copy), copy.code, isinstance(copy, ActionRequired)) == (str(error), "district_file", True)


def test_a_value_of_a_decision_about_a_person_is_not_repeated(folder):
    text = "people: {p1: {exclude: ada.lovelace, until: 1/2/2026, reason: x}, p2: {username: 4711, reason: x}}\n"
    error = _error(folder, SMALLEST + text)
    keys = ["people.p1.exclude", "people.p1.until", "people.p2.username"]
    assert sorted(mistake.key for mistake in error.mistakes) == keys
    assert [value for value in ("lovelace", "1/2/2026", "4711") if value in str(error)] == []


def test_a_broken_file_and_broken_defaults_make_one_import_error_with_each_mistake_once(folder):
    (folder / "_defaults.yaml").write_text("scedule: {}\n", encoding="utf-8")
    (folder / "maple.yaml").write_text(SMALLEST + "zzz: 1\n", encoding="utf-8")
    (folder / "oak.yaml").write_text(SMALLEST.replace("t: maple", "t: oak") + "pool: [\n", encoding="utf-8")
    assert len(load_districts()[1]) == 2
    with pytest.raises(ImportError) as caught:
        runpy.run_path(str(Path(__file__).parents[2] / "dags" / "district_files.py"))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("2 district file(s) cannot be read.")
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        "_defaults.yaml, line 1",
        "maple.yaml, line 5",
        "oak.yaml, line 6",
    ]


@pytest.mark.parametrize(
    "command", ["districts show maple", "check maple", "sync maple --dry-run", "explain maple ada"]
)
def test_every_command_prints_all_mistakes(folder, command):
    (folder / "maple.yaml").write_text(MANY, encoding="utf-8")
    result = CliRunner().invoke(rollcall, command.split())
    assert isinstance(result.exception, DistrictFileError)
    assert str(result.exception).count("maple.yaml, line ") == 8


def test_a_site_is_mapped_by_id_or_name(folder):
    text = SITES.replace(", M2: Maple High", "") + '{a: ME, b: " maple  HIGH", c: exclude}\n'
    (folder / "maple.yaml").write_text(SMALLEST + text, encoding="utf-8")
    sites = load_district(folder / "maple.yaml").sites
    assert sites is not None
    assert sites.map == {"a": "ME", "b": "MH", "c": "exclude"}


def test_the_shipped_files_and_harmless_look_alikes_are_read_in_one_step(folder, monkeypatch):
    shipped = Path(__file__).parents[2] / "include" / "districts"
    with monkeypatch.context() as patched:
        patched.setattr(settings_files, "find_mistakes", None)  # would be called for a second look
        for name in ("maple", "cedar"):
            assert load_district(shipped / f"{name}.yaml")
    (folder / "maple.yaml").write_text(
        "# R&D, *all* of it\n"
        + SMALLEST.replace("Maple Unified", "Maple & Elm*")
        + 'schedule: {nightly: "*/5 2 * * *"}\n',
        encoding="utf-8",
    )
    assert load_district(folder / "maple.yaml").name == "Maple & Elm* School District"
