"""Paths, wrappers, paging, filters and refusals, as a client over HTTP meets them."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

import re

import pytest
import requests

ROSTER = (
    "orgs", "schools", "academicSessions", "terms", "gradingPeriods", "courses", "classes", "users", "students",
    "teachers", "enrollments",
)  # fmt: skip
WRAPPERS = {
    "schools": "orgs", "terms": "academicSessions", "gradingPeriods": "academicSessions", "students": "users",
    "teachers": "users",
}  # fmt: skip
SINGLES = {
    "orgs": "org", "academicSessions": "academicSession", "courses": "course", "classes": "class", "users": "user",
    "enrollments": "enrollment", "demographics": "demographics",
}  # fmt: skip


def links(answer: requests.Response) -> dict[str, str]:
    return {rel: link["url"] for rel, link in answer.links.items()}


def code_minor(answer: requests.Response) -> str:
    [field] = answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"]
    assert field["imsx_codeMinorFieldName"] == "TargetEndSystem"
    return field["imsx_codeMinorFieldValue"]


@pytest.mark.parametrize("app", ["birch", "cedar"])
@pytest.mark.parametrize("path", [*ROSTER, "demographics"])
def test_a_path_answers_under_the_wrapper_of_its_type_and_so_does_a_single_record(read, app, path):
    answer = read[app].get(path, "limit=1")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    [(wrapper, [record])] = answer.json().items()
    assert wrapper == WRAPPERS.get(path, path)
    assert read[app].get(f"{path}/{record['sourcedId']}").json() == {SINGLES[wrapper]: record}


@pytest.mark.parametrize("app", ["maple", "cedar"])
def test_views_select_from_their_collection(read, everything, app):
    held = everything[app]
    role_of = (lambda user: {user["role"]}) if app == "cedar" else (lambda user: {r["role"] for r in user["roles"]})
    for path, collection, selects in (
        ("schools", "orgs", lambda org: org["type"] == "school"),
        ("terms", "academicSessions", lambda session: session["type"] == "term"),
        ("gradingPeriods", "academicSessions", lambda session: session["type"] == "gradingPeriod"),
        ("students", "users", lambda user: "student" in role_of(user)),
        ("teachers", "users", lambda user: "teacher" in role_of(user)),
    ):
        expected = sorted(key for key, record in held[collection].items() if selects(record))
        assert [record["sourcedId"] for record in read[app].all(path)] == expected
    school = next(org for org in held["orgs"].values() if org["type"] == "district")
    assert read[app].get(f"schools/{school['sourcedId']}").status_code == 404


def test_the_default_page_holds_the_first_hundred_by_sourced_id(read, everything):
    answer = read["maple"].get("enrollments")
    keys = [record["sourcedId"] for record in answer.json()["enrollments"]]
    assert keys == sorted(everything["maple"]["enrollments"])[:100]
    assert answer.headers["X-Total-Count"] == str(len(everything["maple"]["enrollments"]))


@pytest.mark.parametrize("app", ["maple", "cedar"])
def test_following_next_gives_every_record_once(read, everything, app):
    reader = read[app]
    url, keys = f"{reader.base}/users?limit=700", []
    while url:
        answer = reader.http.get(url, headers={"Authorization": reader.authorization(url)})
        assert answer.headers["X-Total-Count"] == str(len(everything[app]["users"]))
        keys += [record["sourcedId"] for record in answer.json()["users"]]
        url = links(answer).get("next")
    assert keys == sorted(everything[app]["users"])


def test_links_are_absolute_and_repeat_the_filter(read):
    reader = read["maple"]
    total = int(reader.get("students", "limit=1").headers["X-Total-Count"])
    filter_ = "filter=status%3D%27active%27&sort=sourcedId"
    base = f"{reader.base}/students"
    assert links(reader.get("students", f"limit=400&offset=400&{filter_}")) == {
        "first": f"{base}?limit=400&offset=0&{filter_}",
        "prev": f"{base}?limit=400&offset=0&{filter_}",
        "next": f"{base}?limit=400&offset=800&{filter_}",
        "last": f"{base}?limit={total % 400}&offset={total // 400 * 400}&{filter_}",
    }
    assert links(reader.get("students", "limit=500")).keys() == {"first", "next", "last"}
    assert links(reader.get("students", f"limit=500&offset={total - 1}")).keys() == {"first", "prev", "last"}


def test_a_page_past_the_end_is_empty(read):
    answer = read["maple"].get("orgs", "limit=10&offset=6")
    assert answer.json() == {"orgs": []}
    assert answer.headers["X-Total-Count"] == "6"
    assert "next" not in answer.links


@pytest.mark.parametrize("app", ["birch", "aspen"])
def test_filters_keep_what_they_say(read, everything, app):
    users = everything[app]["users"].values()
    edge = sorted(user["dateLastModified"] for user in users)[len(users) // 2]
    gone = [user for user in users if user["status"] == "tobedeleted"]
    assert gone
    for filter_, keeps in {
        "status='active'": lambda user: user["status"] == "active",
        "status!='active'": lambda user: user["status"] != "active",
        "status='tobedeleted'": lambda user: user in gone,
        "status='other'": lambda user: False,
        f"dateLastModified>'{edge}'": lambda user: user["dateLastModified"] > edge,
        f"dateLastModified>='{edge}'": lambda user: user["dateLastModified"] >= edge,
        f"dateLastModified<'{edge}'": lambda user: user["dateLastModified"] < edge,
        f"dateLastModified<='{edge}'": lambda user: user["dateLastModified"] <= edge,
        f"dateLastModified='{edge}'": lambda user: user["dateLastModified"] == edge,
        "dateLastModified>='2026-11-23'": lambda user: user["dateLastModified"] >= "2026-11-23",
        "dateLastModified>'2026-11-22T18:00:00-06:00'": lambda user: user["dateLastModified"] > "2026-11-23T00",
        f"status='tobedeleted' OR dateLastModified='{edge}'": lambda user: (
            user in gone or user["dateLastModified"] == edge
        ),
        "dateLastModified>='2026-11-23T00:00:00.000000Z' AND status='active'": lambda user: (
            user["dateLastModified"] >= "2026-11-23" and user["status"] == "active"
        ),
    }.items():
        expected = sorted(user["sourcedId"] for user in users if keeps(user))
        assert [user["sourcedId"] for user in read[app].all("users", filter_)] == expected, filter_


@pytest.mark.parametrize("app", ["maple", "cedar"])
@pytest.mark.parametrize(
    "filter_",
    [
        "nickname='Zoë'", "Status='active'", "status=active", "status = 'active'", "status<>'active'", "",
        "metadata='a'", "userIds='a'", "userIds.name='a'", "grades>'09'", "agents.a.b='a'", "givenName.first='Zoë'",
        "dateLastModified>'yesterday'", "status='active' and status='active'", "status='active'  AND status='active'",
        "status='a' AND status='b' AND status='c'",
    ],
)  # fmt: skip
def test_any_other_filter_is_refused_in_the_versions_form(read, app, filter_):
    answer = read[app].get("users", "filter=" + requests.utils.quote(filter_, safe=""))
    assert answer.status_code == 400
    assert code_minor(answer) == "invalid_filter_field"
    assert "users" not in answer.json()


@pytest.mark.parametrize("app", ["maple", "cedar"])
@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=ten", "limit=", "offset=-1", "offset=1.5", "limit=%D9%A3"]
)
def test_a_limit_or_offset_that_is_no_number_is_refused(read, app, query):
    answer = read[app].get("orgs", query)
    assert answer.status_code == 400
    assert code_minor(answer) == "invaliddata"


@pytest.mark.parametrize(("app", "is_v1p1"), [("maple", False), ("cedar", True)])
def test_refusals_have_the_shape_of_their_version(read, app, is_v1p1):
    answer = read[app].get("users/nobody")
    assert answer.status_code == 404
    payload = answer.json()
    assert code_minor(answer) == "unknownobject"
    assert (payload["imsx_codeMajor"], payload["imsx_severity"]) == ("failure", "error")
    expected = {"imsx_codeMajor", "imsx_severity", "imsx_description", "imsx_CodeMinor"}
    assert payload.keys() == (expected | {"imsx_messageRefIdentifier"} if is_v1p1 else expected)


def test_what_is_not_there_is_a_plain_404(served, read):
    maple, cedar = read["maple"], read["cedar"]
    headers = {"Authorization": maple.authorization(maple.base)}
    for url in (
        f"{maple.base}/orgs/a/classes",
        f"{maple.base}/users/a/classes/b",
        f"{maple.base}/users/a/demographics",
        maple.base.replace("/rostering/v1p2", "") + "/orgs",
        maple.base.replace("/maple/", "/elm/") + "/orgs",
        cedar.base.replace("v1p1", "v1p2") + "/orgs",
        f"{maple.base}//orgs",
    ):
        answer = requests.get(url, headers=headers)
        assert answer.status_code == 404, url
        assert answer.text == "Not Found"


@pytest.mark.parametrize(
    ("app", "path"),
    [
        ("maple", "gradebook/v1p2/lineItems"),
        ("maple", "gradebook/v1p2/lineItems/a"),
        ("maple", "gradebook/v1p2/classes/a/results"),
        ("maple", "resources/v1p2/resources"),
        ("maple", "rostering/v1p2/categories"),
        ("cedar", "v1p1/lineItems"),
        ("cedar", "v1p1/classes/a/lineItems"),
        ("cedar", "v1p1/categories/a"),
    ],
)
def test_the_gradebook_and_resources_are_refused_in_json(read, app, path):
    """No connection of the sandbox shares them; without a token or signature it is 401."""
    reader = read[app]
    url = f"{reader.base.partition('/ims/oneroster/')[0]}/ims/oneroster/{path}"
    for headers, status, code in (
        ({"Authorization": reader.authorization(url)}, 403, "forbidden"),
        ({}, 401, "unauthorisedrequest"),
    ):
        answer = requests.get(url, headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
        assert (code_minor(answer), answer.json()["imsx_codeMajor"]) == (code, "failure")


def test_urls_have_infinite_campus_shape(served):
    origin = f"http://127.0.0.1:{served.port}"
    assert served.base_url("maple") == f"{origin}/campus/api/oneroster/v1p2/maple/ims/oneroster"
    assert served.base_url("cedar") == f"{origin}/campus/api/oneroster/v1p1/cedar/ims/oneroster/v1p1"
    assert served.token_url("maple") == f"{origin}/campus/oauth2/token?appName=maple"


def test_hrefs_lead_to_the_records(read):
    reader = read["maple"]
    enrollment = reader.get("enrollments", "limit=1").json()["enrollments"][0]
    for name in ("user", "class", "school"):
        answer = reader.http.get(enrollment[name]["href"], headers={"Authorization": reader.authorization("")})
        [record] = answer.json().values()
        assert record["sourcedId"] == enrollment[name]["sourcedId"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/campus/.*/users/.*", enrollment["user"]["href"])
