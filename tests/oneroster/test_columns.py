"""Columns of text, the same for 1.1 and 1.2, in the order the landing zone has them."""

import json

import pytest

from rollcall.model.vocabularies import TOKENS
from rollcall.oneroster import COLLECTIONS, columns
from rollcall.oneroster.decode import decode_page
from rollcall.validate.storable import json_depth

BASE = ["sourced_id", "status", "date_last_modified", "metadata"]

TABLES = {
    "orgs": [*BASE, "name", "type", "identifier", "parent_sourced_id"],
    "academic_sessions": [*BASE, "title", "type", "start_date", "end_date", "parent_sourced_id", "school_year"],
    "courses": [
        *BASE, "title", "course_code", "school_year_sourced_id", "org_sourced_id", "grades", "subjects",
        "subject_codes",
    ],
    "classes": [
        *BASE, "title", "class_code", "class_type", "location", "grades", "subjects", "subject_codes", "periods",
        "course_sourced_id", "school_sourced_id",
    ],
    "class_terms": ["class_sourced_id", "term_sourced_id"],
    "users": [
        *BASE, "user_master_identifier", "username", "user_ids", "user_profiles", "is_enabled", "given_name",
        "family_name", "middle_name", "preferred_first_name", "preferred_middle_name", "preferred_last_name",
        "pronouns", "identifier", "email", "sms", "phone", "grades", "primary_org_sourced_id",
    ],
    "user_roles": ["user_sourced_id", "org_sourced_id", "role", "role_type", "user_profile", "begin_date", "end_date"],
    "user_agents": ["user_sourced_id", "agent_sourced_id"],
    "enrollments": [
        *BASE, "user_sourced_id", "class_sourced_id", "school_sourced_id", "role", "is_primary", "begin_date",
        "end_date",
    ],
    "demographics": [
        *BASE, "birth_date", "sex", "is_american_indian_or_alaska_native", "is_asian", "is_black_or_african_american",
        "is_native_hawaiian_or_other_pacific_islander", "is_white", "is_demographic_race_two_or_more_races",
        "is_hispanic_or_latino_ethnicity", "country_of_birth_code", "state_of_birth_abbreviation", "city_of_birth",
        "public_school_residence_status",
    ],
}  # fmt: skip


def made(collection, *rows):
    envelope = COLLECTIONS[collection].envelope
    decoded = decode_page(COLLECTIONS[collection], json.dumps({envelope: rows}).encode())
    assert decoded.unreadable == []
    return columns(collection, decoded.records)


def column(collection, name, *rows, table=None):
    return made(collection, *rows)[table or collection][name]


def lines(table):
    return list(zip(*table.values(), strict=True))


def test_pull_order_paths_and_envelopes():
    assert [(name, one.path, one.envelope) for name, one in COLLECTIONS.items() if one.service == "rostering"] == [
        ("orgs", "orgs", "orgs"),
        ("academic_sessions", "academicSessions", "academicSessions"),
        ("courses", "courses", "courses"),
        ("classes", "classes", "classes"),
        ("users", "users", "users"),
        ("enrollments", "enrollments", "enrollments"),
        ("demographics", "demographics", "demographics"),
    ]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_tables_and_columns_in_their_order_with_and_without_rows(collection):
    for rows in ([], [{"sourcedId": "x"}]):
        tables = made(collection, *rows)

        assert tuple(tables) == COLLECTIONS[collection].tables
        assert {table: list(made) for table, made in tables.items()} == {table: TABLES[table] for table in tables}
    assert tables[collection]["sourced_id"] == ["x"]


def test_a_tombstone_needs_only_sourced_id_and_status():
    (row,) = lines(made("enrollments", {"sourcedId": "e", "status": "tobedeleted"})["enrollments"])

    assert row == ("e", "tobedeleted", *[None] * 9)


def test_status_in_all_its_spellings():
    spellings = ["active", "Active", "", None, "tobedeleted", "toBeDeleted", "inactive", " INACTIVE ", "odd"]
    rows = [{"sourcedId": str(place), "status": status} for place, status in enumerate(spellings)]

    assert column("orgs", "status", *rows, {"sourcedId": "none"}) == [
        *["active"] * 4, *["tobedeleted"] * 4, "odd", "active",
    ]  # fmt: skip


def test_scalars_become_text_and_the_empty_string_nothing():
    values = ["a", "", None, 7, 2.5, True, False, " a "]
    rows = [{"sourcedId": str(place), "name": value} for place, value in enumerate(values)]

    assert column("orgs", "name", *rows) == ["a", None, None, "7", "2.5", "true", "false", " a "]


def test_booleans_in_all_their_spellings():
    values = ["true", "True", "FALSE", True, False, None, "", "yes"]
    rows = [{"sourcedId": str(place), "primary": value} for place, value in enumerate(values)]

    assert column("enrollments", "is_primary", *rows) == ["true", "true", "false", "true", "false", None, None, "yes"]


def test_references_as_object_bare_id_number_and_null():
    values = [{"sourcedId": "p", "type": "org"}, "p", 5, None, "", {}, {"sourcedId": 6}]
    rows = [{"sourcedId": str(place), "parent": value} for place, value in enumerate(values)]

    assert column("orgs", "parent_sourced_id", *rows) == ["p", "p", "5", None, None, None, "6"]


def test_a_courses_school_year_is_a_reference_and_a_sessions_is_a_year():
    assert column("courses", "school_year_sourced_id", {"sourcedId": "c", "schoolYear": {"sourcedId": "y"}}) == ["y"]
    assert column("academic_sessions", "school_year", {"sourcedId": "s", "schoolYear": 2027}) == ["2027"]


def test_lists_of_values_keep_order_and_place():
    values = [["09", "10"], [9, "KG", True, 1], "09", [], None, [""], ["Math", "", None, "Art"]]
    rows = [{"sourcedId": str(place), "subjects": value} for place, value in enumerate(values)]

    assert column("classes", "subjects", *rows) == [
        '["09","10"]', '["9","KG","true","1"]', '["09"]', None, None, None, '["Math","","","Art"]',
    ]  # fmt: skip


def test_metadata_is_sorted_json_without_passwords():
    values = [{"b": 1, "a": {"d": "\u00e9", "c": None}}, {}, None, [], {"k": {"portalPassword": "x", "z": 1}}]
    rows = [{"sourcedId": str(place), "metadata": value} for place, value in enumerate(values)]

    assert column("orgs", "metadata", *rows) == [
        '{"a":{"c":null,"d":"\u00e9"},"b":1}',
        None,
        None,
        None,
        '{"k":{"z":1}}',
    ]


def test_user_ids_and_profiles_as_json():
    rows = [
        {
            "sourcedId": "1",
            "userIds": [{"type": "LDAP", "identifier": "ada"}, {"identifier": 5}, {}, None, "bare"],
            "userProfiles": [
                {
                    "vendorId": "v",
                    "profileId": "urn:1",
                    "credentials": [{"username": "ada", "type": "t", "password": "planted"}],
                }
            ],
        },
        {"sourcedId": "2", "userIds": [], "userProfiles": None},
        {"sourcedId": "3", "userIds": {"type": "x", "identifier": "y"}},
    ]
    users = made("users", *rows)["users"]

    assert users["user_ids"] == [
        '[{"identifier":"ada","type":"LDAP"},{"identifier":"5"},{"identifier":"bare"}]',
        None,
        '[{"identifier":"y","type":"x"}]',
    ]
    assert users["user_profiles"] == [
        '[{"credentials":[{"type":"t","username":"ada"}],"profileId":"urn:1","vendorId":"v"}]',
        None,
        None,
    ]


def test_class_terms_each_once_in_the_order_of_the_list():
    terms = [{"sourcedId": "t2"}, "t1", {"sourcedId": "t2"}, None, {"sourcedId": ""}]
    rows = [{"sourcedId": "c1", "terms": terms}, {"sourcedId": "c2"}, {"sourcedId": "c3", "terms": {"sourcedId": "t9"}}]

    assert lines(made("classes", *rows)["class_terms"]) == [("c1", "t2"), ("c1", "t1"), ("c3", "t9")]


def test_agents_each_once():
    rows = [{"sourcedId": "s", "agents": ["p1", {"sourcedId": "p2"}, "p1"]}, {"sourcedId": "t", "agents": None}]

    assert lines(made("users", *rows)["user_agents"]) == [("s", "p1"), ("s", "p2")]


def test_roles_of_1_2():
    roles = [
        {"roleType": "secondary", "role": "teacher", "org": {"sourcedId": "o1"}, "beginDate": "2026-08-01"},
        {"roleType": "primary", "role": "teacher", "org": {"sourcedId": "o1"}, "beginDate": "2026-08-01"},
        {"roleType": "primary", "role": "aide", "org": "o2", "userProfile": "urn:1", "endDate": "2027-06-01"},
        {"roleType": "primary", "role": "aide"},
    ]

    assert lines(made("users", {"sourcedId": "u", "roles": [*roles, roles[1]]})["user_roles"]) == [
        ("u", "o1", "teacher", "secondary", None, "2026-08-01", None),  # which of both counts, validation knows
        ("u", "o1", "teacher", "primary", None, "2026-08-01", None),
        ("u", "o2", "aide", "primary", "urn:1", None, "2027-06-01"),
        ("u", None, "aide", "primary", None, None, None),
    ]


def test_a_role_without_an_org_is_held_at_the_primary_org():
    roles = [{"role": "student"}, {"role": "aide", "org": {"sourcedId": "o2"}}, {"role": "parent", "org": {}}]
    rows = [
        {"sourcedId": "u1", "primaryOrg": {"sourcedId": "o1"}, "roles": roles},
        {"sourcedId": "u2", "primaryOrg": "o1", "role": "student"},
        {"sourcedId": "u3", "primaryOrg": None, "roles": [{"role": "student", "org": None}]},
    ]

    assert [row[:3] for row in lines(made("users", *rows)["user_roles"])] == [
        ("u1", "o1", "student"),
        ("u1", "o2", "aide"),
        ("u1", "o1", "parent"),
        ("u2", "o1", "student"),
        ("u3", None, "student"),
    ]


@pytest.mark.parametrize("spelled", [str.upper, str.lower, str.title, lambda token: f" {token} "])
def test_every_token_of_a_vocabulary_in_another_case_is_the_specifications(spelled):
    places = {
        "org_type": [("orgs", "type")],
        "session_type": [("academic_sessions", "type")],
        "class_type": [("classes", "classType")],
        "role": [("enrollments", "role"), ("users", "role"), ("users", "roles")],
        "role_type": [("users", "roleType")],
        "sex": [("demographics", "sex")],
    }
    assert places.keys() == TOKENS.keys()
    for vocabulary, fields in places.items():
        for collection, field in fields:
            values = [*map(spelled, TOKENS[vocabulary]), "ext:Coach", "Janitor"]
            rows = [{"sourcedId": str(place), field: value} for place, value in enumerate(values)]
            if collection == "users" and field != "role":
                name = "role" if field == "roles" else field
                rows = [{"sourcedId": row["sourcedId"], "roles": [{name: row[field]}]} for row in rows]
            table, column = ("user_roles" if collection == "users" else collection), field.removesuffix("s")
            column = {"classType": "class_type", "roleType": "role_type"}.get(column, column)

            assert made(collection, *rows)[table][column] == [*TOKENS[vocabulary], "ext:Coach", "Janitor"]


def test_metadata_deeper_than_any_database_takes_is_cut_off_and_still_too_deep():
    deep, value = {"password": "planted"}, {}
    for _ in range(300):
        deep, value = {"a": deep}, {"a": value}
    texts = column("orgs", "metadata", {"sourcedId": "1", "metadata": deep}, {"sourcedId": "2", "metadata": value})

    assert [json_depth(text) > 100 for text in texts] == [True, True]
    assert "planted" not in repr(texts)


def test_role_and_orgs_of_1_1_are_the_same_rows():
    rows = [
        {"sourcedId": "u1", "role": "student", "orgs": [{"sourcedId": "o1"}, {"sourcedId": "o2"}, "o1"]},
        {"sourcedId": "u2", "role": "parent", "orgs": []},
        {"sourcedId": "u3", "orgs": ["o1"]},
        {"sourcedId": "u4"},
    ]

    assert lines(made("users", *rows)["user_roles"]) == [
        ("u1", "o1", "student", "primary", None, None, None),
        ("u1", "o2", "student", "primary", None, None, None),
        ("u2", None, "parent", "primary", None, None, None),
        ("u3", "o1", None, "primary", None, None, None),
    ]


def test_a_password_is_nowhere():
    tables = made("users", {"sourcedId": "u", "password": "planted", "metadata": {"password": "planted"}})

    assert "planted" not in repr(tables)


@pytest.mark.parametrize(
    "sourced_id",
    ["a/b", "a@b.example", "a b", " a", "é/ü", "学校-1", "x" * 255, "s1234567", "a'b\"c", "%2F"],
)
def test_a_sourced_id_stays_what_it_is_as_key_and_as_reference(sourced_id):
    body = json.dumps({"orgs": [{"sourcedId": sourced_id, "parent": {"sourcedId": sourced_id}}]}).encode()
    table = columns("orgs", decode_page(COLLECTIONS["orgs"], body).records)["orgs"]

    assert (table["sourced_id"], table["parent_sourced_id"]) == ([sourced_id], [sourced_id])
