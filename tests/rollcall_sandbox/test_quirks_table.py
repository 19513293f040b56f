"""Every switch of the sandbox: it keeps to its version, its place in the registry, and to what the truth says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rollcall.errors import RollcallError
from rollcall_sandbox import QUIRKS, Sandbox, SandboxDistrict
from rollcall_sandbox.quirks import BUNDLES, known

NEW = SandboxDistrict("elm", "1.2", students=400, nights=1, auth="bearer", demographics=True)
OLD = SandboxDistrict("oak", "1.1", students=400, nights=1, auth="bearer", demographics=True)
COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")


@pytest.fixture(scope="module")
def both(reading: Any) -> Iterator[dict[str, Any]]:
    with Sandbox([NEW, OLD]) as sandbox:
        yield {"1.2": reading(sandbox, NEW), "1.1": reading(sandbox, OLD)}


@pytest.fixture
def switched(both: dict[str, Any]) -> Iterator[Any]:
    """Puts quirks on the 1.2 district, or the 1.1 one where they belong to that; takes them off afterwards."""

    def switch(*names: str) -> Any:
        old = any(QUIRKS[name].versions == {"1.1"} for name in names if name in QUIRKS)
        reader = both["1.1" if old else "1.2"]
        reader.sandbox.set_quirks(reader.district.app, names)
        return reader

    yield switch
    for reader in both.values():
        reader.sandbox.set_quirks(reader.district.app, [])


def truth(reader: Any) -> dict[str, Any]:
    return reader.sandbox.truth(reader.district.app)


def pull(reader: Any, path: str, limit: int = 1000) -> list[Any]:
    """Pages by rows received until one is empty; for what is served in good form."""
    rows: list[Any] = []
    while page := reader.get(path, f"limit={limit}&offset={len(rows)}").json()[path]:
        rows += page
    return rows


IN_GOOD_FORM = sorted(
    name
    for name, quirk in QUIRKS.items()
    if quirk.keeps
    or quirk.changes_record
    or quirk.changes_request
    or name in ("record-per-school", "odd-ids", "relative-hrefs")
    if name != "repeat-page-one" and not name.startswith("limit-refused")
)


@pytest.mark.parametrize("name", IN_GOOD_FORM)
def test_what_comes_is_as_many_as_the_truth_says(switched, name):
    reader = switched(name)
    counts = truth(reader)["collections"]
    for path in COLLECTIONS:
        rows = pull(reader, path)
        assert len(rows) == len({row["sourcedId"] for row in rows}) == counts[path]["total"], path


@pytest.mark.parametrize("status", [400, 413, 422])
def test_limits_above_the_maximum_are_refused(switched, status):
    reader = switched(f"limit-refused-{status}")
    assert reader.get("users", "limit=101").status_code == status
    assert len(reader.get("users", "limit=100").json()["users"]) == 100
    assert len(reader.get("users").json()["users"]) == 100


@pytest.mark.parametrize(
    ("name", "status", "total"),
    [
        ("nothing-left-empty", 200, None),
        ("nothing-left-empty-total", 200, "0"),
        ("nothing-left-204", 204, None),
        ("nothing-left-404", 404, None),
    ],
)
def test_no_list_where_a_filter_leaves_nothing(switched, name, status, total):
    reader = switched(name)
    nothing = reader.get("users", "filter=familyName%3D%27Nobody%27")
    assert (nothing.status_code, nothing.content, nothing.headers.get("X-Total-Count")) == (status, b"", total)
    assert reader.get("users", "filter=status%3D%27active%27").json()["users"]
    assert reader.get("users", "offset=100000").json()["users"] == []


def test_some_switches_change_the_truth_and_how(switched):
    plain = truth(switched())
    users, enrollments = (plain["collections"][name]["total"] for name in ("users", "enrollments"))
    assert plain["people"] == users
    assert plain["orphans"] == 0

    per_school = truth(switched("record-per-school"))
    assert per_school["people"] == users < per_school["collections"]["users"]["total"]
    assert per_school["orphans"] == 0

    accounts = truth(switched("accounts-only"))
    assert accounts["collections"]["enrollments"]["total"] == enrollments
    assert accounts["collections"]["users"]["total"] < users
    assert accounts["orphans"] > 0

    lost = truth(switched("accounts-lost"))
    assert lost["collections"]["enrollments"]["total"] == enrollments
    assert 0.1 < 1 - lost["collections"]["users"]["total"] / users < 0.2  # about half of the people are students
    assert lost["orphans"] > 0

    scope = truth(switched("school-scope"))
    assert scope["collections"]["orgs"]["total"] == plain["collections"]["orgs"]["total"] - 1
    assert scope["orphans"] > 0

    none = truth(switched("no-tombstones"))
    assert plain["collections"]["users"]["tobedeleted"] > 0
    assert {counts["tobedeleted"] for counts in none["collections"].values()} == {0}
    half = truth(switched("half-the-tombstones"))["collections"]["enrollments"]
    assert 0 < half["tobedeleted"] < plain["collections"]["enrollments"]["tobedeleted"]
    assert truth(switched("courses-not-shared"))["not_shared"] == ["courses"]


@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_collection_may_be_kept_out_of_the_data_to_share(switched, path):
    name = {"academicSessions": "academic-sessions"}.get(path, path) + "-not-shared"
    reader = switched(name)
    assert {other: reader.get(other, "limit=1").status_code for other in COLLECTIONS} == {
        other: 403 if other == path else 200 for other in COLLECTIONS
    }


def test_references_lead_to_odd_ids_and_to_records_per_school(switched):
    for name in ("odd-ids", "record-per-school"):
        reader = switched(name)
        held = {path: {row["sourcedId"]: row for row in pull(reader, path)} for path in COLLECTIONS}
        for enrollment in held["enrollments"].values():
            for field, path in (("user", "users"), ("class", "classes"), ("school", "orgs")):
                assert enrollment[field]["sourcedId"] in held[path]
        for key in held["demographics"]:
            assert key in held["users"]
        for user in held["users"].values():
            assert all(agent["sourcedId"] in held["users"] for agent in user.get("agents", []))
    reader = switched("odd-ids")
    keys = [row["sourcedId"] for row in pull(reader, "users")]
    for sign in ("/", "@", " ", "学"):
        assert any(sign in key for key in keys)
    assert max(map(len, keys)) == 255
    for key in keys[:60]:
        quoted = requests.utils.quote(key, safe="")
        assert reader.get(f"users/{quoted}").json()["user"]["sourcedId"] == key
        assert reader.get(f"users/{quoted}/classes").status_code == 200


def page(reader: Any, path: str = "enrollments", query: str = "limit=100") -> requests.Response:
    return reader.get(path, query)


def test_what_is_said_about_the_total(switched):
    for name, total, links in (
        ("no-totals", False, False), ("totals-only", True, False), ("links-only", False, True),
        ("total-in-body", False, False),
    ):  # fmt: skip
        answer = page(switched(name))
        assert ("X-Total-Count" in answer.headers, "Link" in answer.headers) == (total, links)
    counts = truth(switched("total-in-body"))["collections"]
    assert answer.json().keys() == {"enrollments", "totalCount", "limit", "offset"}
    assert answer.json()["totalCount"] == counts["enrollments"]["total"]


@pytest.mark.parametrize(("name", "status"), [("past-end-404", 404), ("past-end-204", 204)])
def test_behind_the_end(switched, name, status):
    reader = switched(name)
    total = truth(reader)["collections"]["users"]["total"]
    assert reader.get("users", f"offset={total - 1}").status_code == 200
    assert reader.get("users", f"offset={total}").status_code == status
    assert reader.get("users", f"offset={total}").content == b""
    reader = switched("past-end-page-one")
    assert reader.get("users", f"offset={total}").json() == reader.get("users").json()


def test_totals_that_change_do_so_once_or_always(switched):
    for name, second in (("count-changes-once", 0), ("count-changes", 1)):
        reader = switched(name)
        total = truth(reader)["collections"]["users"]["total"]
        said = [
            int(reader.get("users", f"limit=100&offset={offset}").headers["X-Total-Count"]) - total
            for offset in (0, 100, 200, 0, 100)
        ]
        assert said == [0, 1, second, 0, second]


def test_rows_that_move_while_they_are_read(switched):
    reader = switched()
    keys = [row["sourcedId"] for row in pull(reader, "users")]

    def read(offset: int) -> tuple[list[str], int]:
        answer = reader.get("users", f"limit=50&offset={offset}")
        ids = [row["sourcedId"] for row in answer.json()["users"]]
        return ids, int(answer.headers["X-Total-Count"]) - len(keys)

    switched("row-comes-once")
    assert read(0) == (keys[1:51], -1)
    assert read(0) == (keys[1:51], -1)
    assert read(50) == (keys[50:100], 0)
    assert read(0) == (keys[:50], 0)
    switched("row-comes-always")
    assert [read(0)[1], read(50)[1], read(0)[1]] == [-1, 0, -1]
    switched("row-goes-once")
    assert read(0) == ([keys[-1], *keys[:49]], 1)
    assert read(50) == (keys[50:100], 0)
    assert read(0) == (keys[:50], 0)
    switched("unstable-sort")
    assert read(0) == (keys[:50], 0)
    assert read(50)[0] != keys[50:100]
    sorted_ = reader.get("users", "limit=50&offset=50&sort=sourcedId").json()["users"]
    assert [row["sourcedId"] for row in sorted_] == keys[50:100]
    switched("duplicate-rows")
    assert [row["sourcedId"] for row in pull(reader, "users")] == [*keys, *keys[:3]]
    assert read(0)[1] == 3


def test_envelopes(switched):
    reader = switched("other-envelopes")
    names = {path: next(iter(reader.get(path, "limit=1").json())) for path in ("users", "orgs", "terms", "courses")}
    assert names == {"users": "students", "orgs": "schools", "terms": "terms", "courses": "items"}
    assert isinstance(switched("bare-list").get("users", "limit=2").json(), list)
    assert switched("status-block").get("users").json().keys() == {"users", "statusInfoSet"}


@pytest.mark.parametrize("name", [name for name in QUIRKS if name.startswith(("http-4", "http-500", "http-502"))])
def test_what_fails_twice_is_well_the_third_time_in_each_collection(switched, name):
    reader = switched(name)
    status = int(name.split("-")[1])
    for path in COLLECTIONS:
        answers = [page(reader, path) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [status, status, 200, 200]
        assert answers[0].headers["Content-Type"].startswith("text/html")
        retry_after = answers[0].headers.get("Retry-After")
        assert (retry_after is None) == (name == "http-429-bare" or status >= 500)
        if name == "http-429-seconds":
            assert retry_after == "1"
        if name == "http-429-date":
            assert retry_after.endswith("GMT")


def test_other_failures(switched):
    assert [page(switched("http-503-always")).status_code for _ in range(3)] == [503] * 3
    reader = switched("http-503-past-page-one")
    assert [page(reader, query=f"offset={offset}").status_code for offset in (0, 100, 0)] == [200, 503, 200]
    reader = switched("html-200-once")
    assert "<form>" in page(reader).text
    assert page(reader).json()
    assert "<form>" in [page(switched("html-200-always")) for _ in range(3)][2].text
    reader = switched("truncated-json-once")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        page(reader).json()
    assert page(reader).json()
    reader = switched("heavy-pages-100")
    assert [page(reader, query=f"limit={limit}").status_code for limit in (101, 100)] == [504, 200]


@pytest.mark.parametrize(("name", "broken"), [("drop-once", [True, False]), ("drop-always", [True, True])])
def test_connections_that_drop(switched, name, broken):
    reader = switched(name)
    found = []
    for _ in range(2):
        try:
            page(reader)
            found.append(False)
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError):
            found.append(True)
    assert found == broken
    assert reader.get("orgs/nobody").status_code == 404


def test_an_answer_that_hangs_comes_the_second_time(switched):
    reader = switched("hang-once")
    url = f"{reader.base}/orgs"
    headers = {"Authorization": reader.authorization(url)}
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(url, headers=headers, timeout=0.3)
    assert requests.get(url, headers=headers, timeout=0.3).status_code == 200


def test_members_as_they_are_written(switched):
    def first(name: str, path: str = "users") -> dict[str, Any]:
        return switched(name).get(path, "limit=1").json()[path][0]

    assert first("json-booleans")["enabledUser"] in (True, False)
    assert first("nulls-for-absent")["sms"] is None
    assert first("nulls-for-absent", "orgs")["metadata"] is None
    assert "email" not in first("missing-optional")
    assert first("numbers-for-text", "academicSessions")["schoolYear"] == 2027
    assert '"schoolYear":2027.0' in switched("numbers-with-point").get("academicSessions", "limit=1").text
    assert {"School", "District"} <= {row["type"] for row in pull(switched("tokens-capitalized"), "orgs")}
    assert first("tokens-capitalized")["roles"][0]["roleType"] == "Primary"
    assert "org" not in first("roles-at-primary-org")["roles"][0]
    entries = first("registration-entries")["roles"]
    assert ("endDate" in entries[0], "endDate" in entries[1]) == (True, False)
    assert entries[0] == entries[1] | {"endDate": entries[0]["endDate"]}
    answer = switched("latin-1").get("users", "limit=1000")
    assert (answer.encoding, answer.json()) == ("ISO-8859-1", switched().get("users", "limit=1000").json())
    assert isinstance(first("scalar-for-list", "courses")["subjects"], str)
    assert not first("naive-dates")["dateLastModified"].endswith("Z")
    assert first("offset-dates")["dateLastModified"].endswith("-06:00")
    assert first("dates-local-midnight", "enrollments")["beginDate"].endswith(("T22:00:00.000Z", "T23:00:00.000Z"))
    assert first("dates-local-midnight", "academicSessions")["endDate"].endswith(("T22:00:00.000Z", "T23:00:00.000Z"))
    assert first("dates-utc-midnight", "enrollments")["endDate"].endswith("T00:00:00.000Z")
    assert first("passwords")["password"]
    assert first("relative-hrefs", "classes")["school"]["href"].startswith("~/ims/oneroster/rostering/v1p2/orgs/")
    assert first("unknown-members")["x-vendor"] == {"exported": True, "row": 7}
    assert {row["type"] for row in pull(switched("schools-are-departments"), "orgs")} == {
        "district", "department", "departments",
    }  # fmt: skip
    assert "local" in {row["type"] for row in pull(switched("district-is-local"), "orgs")}
    roles = [role["role"] for user in pull(switched("ext-values"), "users") for role in user["roles"]]
    assert "ext:coach" in roles
    assert "aide" not in roles
    roles = [role["role"] for user in pull(switched("administrator-role"), "users") for role in user["roles"]]
    assert "administrator" in roles
    assert {row["status"] for row in pull(switched("status-empty"), "users")} == {"", "tobedeleted"}
    assert {row["status"] for row in pull(switched("status-inactive"), "users")} == {"active", "inactive"}
    assert {row["status"] for row in pull(switched("status-mixed-case"), "users")} == {"Active", "ToBeDeleted"}
    assert "false" not in {row.get("white") for row in pull(switched("race-flags-when-true"), "demographics")}
    emails = [row["email"] for row in pull(switched("email-null-text"), "users")]
    assert "NULL" in emails
    assert "" in {row.get("username") for row in pull(switched("empty-usernames"), "users")}
    staff = [row for row in pull(switched("staff-without-identifier"), "users") if row["roles"][0]["role"] == "teacher"]
    assert all("identifier" not in row for row in staff)


def test_defective_records_are_the_ones_the_truth_names(switched):
    names = ("record-not-an-object", "bad-field-type", "missing-required", "nul-in-text", "lone-surrogate")
    reader = switched(*names)
    defective = truth(reader)["defective"]
    assert {path: len(ids) for path, ids in defective.items()} == {
        "orgs": 3, "academicSessions": 3, "courses": 3, "classes": 3, "users": 5, "enrollments": 1,
    }  # fmt: skip
    plain = {row["sourcedId"]: row for row in pull(switched(), "users")}
    text = switched(*names).get("users", "limit=10000").text
    assert "\\u0000" in text
    assert '\\ud83d"' in text
    rows = [row for row in reader.get("users", "limit=10000").json()["users"] if isinstance(row, dict)]
    changed = {row["sourcedId"] for row in rows if row != plain[row["sourcedId"]]}
    assert changed < set(defective["users"])
    assert len(changed) == 4


def test_filters_may_be_ignored_and_errors_say_nothing(switched):
    reader = switched("filter-ignored")
    total = truth(reader)["collections"]["users"]["total"]
    assert reader.get("users", "filter=dateLastModified%3E%272999-01-01%27").headers["X-Total-Count"] == str(total)
    assert switched("bare-errors").get("users/nobody").json() == {"imsx_codeMajor": "failure"}
    assert [switched("orgs-only").get(path).status_code for path in ("schools", "orgs")] == [404, 200]


def test_contradictions_and_other_versions_are_refused():
    for names, says in (
        (["totals-only", "links-only"], "only one"),
        (["ed-fi", "clamp-1000"], "only one"),
        (["http-500", "http-429-bare"], "only one"),
        (["expired-connection"], "1.2"),
        (["classlink"], "1.2"),
        (["ed-fy"], "Did you mean"),
    ):
        with pytest.raises(RollcallError, match=says) as caught:
            known(names, "1.2")
        assert caught.value.code == "sandbox_quirk"
    with pytest.raises(RollcallError, match=r"1\.1"):
        known(["ed-fi"], "1.1")


@pytest.mark.parametrize("name", BUNDLES)
def test_a_provider_stands_for_its_switches(name):
    district = SandboxDistrict.like(name, "elm", students=10)
    assert district.quirks == set(BUNDLES[name].quirks)
    assert BUNDLES[name].version in (None, district.version)
    assert {key: getattr(district, key) for key in BUNDLES[name].settings} == BUNDLES[name].settings


def test_the_page_about_providers_lists_every_name_and_no_other():
    page_ = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
    assert set(re.findall("`([^`]+)`", " ".join(column_of(page_, "switch")))) == QUIRKS.keys() | BUNDLES.keys()


def column_of(text: str, heading: str) -> Iterator[str]:
    """The cells under a heading, of all tables of a page."""
    place = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            place = None  # the table ended; another one may have no such column
        elif heading in cells:
            place = cells.index(heading)
        elif place is not None:
            yield cells[place]


def test_every_switch_says_what_it_does_and_whose_it_is():
    assert not set(QUIRKS) & set(BUNDLES)
    for name, quirk in QUIRKS.items():
        assert name == name.lower()
        assert quirk.what
        assert quirk.provider
