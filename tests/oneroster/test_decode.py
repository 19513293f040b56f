"""Pages decode whole; one bad record is set aside alone, with the place of its fault and without a password."""

import json

import pytest

from rollcall.oneroster.columns import columns
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.errors import InvalidResponse, RetryableError
from rollcall.oneroster.records import COLLECTIONS

ORGS, USERS = COLLECTIONS["orgs"], COLLECTIONS["users"]


def page(*rows, envelope="users", **members):
    return json.dumps({**members, envelope: rows}).encode()


def user(number, **fields):
    return {"sourcedId": f"u{number}", "givenName": "Ada", **fields}


def test_a_page_of_good_records():
    decoded = decode_page(USERS, page(user(1), user(2), userCount=2))

    assert [record.sourced_id for record in decoded.records] == ["u1", "u2"]
    assert (decoded.rows, decoded.unreadable, decoded.envelope) == (2, [], "users")


@pytest.mark.parametrize(
    ("bad", "sourced_id", "code", "field"),
    [
        ({"sourcedId": "bad", "givenName": {"planted": 1}}, "bad", "wrong_type", "givenName"),
        ({"sourcedId": "bad", "roles": [{"org": [5]}]}, "bad", "wrong_type", "roles[].org"),
        ({"sourcedId": 17, "email": []}, "17", "wrong_type", "email"),
        ({"givenName": "planted"}, None, "no_sourced_id", "sourcedId"),
        ({"sourcedId": ""}, None, "no_sourced_id", "sourcedId"),
        ({"sourcedId": "  "}, None, "no_sourced_id", "sourcedId"),
        ({"sourcedId": None}, None, "no_sourced_id", "sourcedId"),
        ({"sourcedId": {"x": 1}}, None, "no_sourced_id", "sourcedId"),
        ("planted", None, "not_an_object", ""),
        (None, None, "not_an_object", ""),
        (["planted"], None, "not_an_object", ""),
        (7, None, "not_an_object", ""),
    ],
)
def test_one_bad_record_costs_no_other(bad, sourced_id, code, field):
    decoded = decode_page(USERS, page(user(1), bad, user(2)))

    assert [record.sourced_id for record in decoded.records] == ["u1", "u2"]
    assert decoded.rows == 3
    (unreadable,) = decoded.unreadable
    assert (unreadable.sourced_id, unreadable.code, unreadable.field) == (sourced_id, code, field)
    assert json.loads(unreadable.record) == bad
    assert "planted" not in repr(unreadable)


def test_a_set_aside_record_keeps_no_password():
    bad = user(1, email=[], password="hunter2", userProfiles=[{"credentials": [{"username": "ada", "Password": "x"}]}])
    (unreadable,) = decode_page(USERS, page(bad)).unreadable

    assert json.loads(unreadable.record) == user(1, email=[], userProfiles=[{"credentials": [{"username": "ada"}]}])


def test_a_record_that_is_not_utf8_is_set_aside_alone():
    body = page(user(1), user(2)).replace(b'"Ada"', b'"Ad\xff"', 1)
    decoded = decode_page(USERS, body)

    assert [record.sourced_id for record in decoded.records] == ["u2"]
    assert [(bad.sourced_id, bad.code) for bad in decoded.unreadable] == [("u1", "not_utf8")]
    assert json.loads(decoded.unreadable[0].record)["givenName"] == "Ad\ufffd"


def test_a_number_beyond_all_bounds_is_set_aside():
    body = b'{"users": [{"sourcedId": "a", "grades": 1e999}, {"sourcedId": "b"}]}'
    decoded = decode_page(USERS, body)

    assert [record.sourced_id for record in decoded.records] == ["b"]
    (bad,) = decoded.unreadable
    assert (bad.sourced_id, bad.code, bad.field) == ("a", "number_out_of_range", "grades")
    assert json.loads(bad.record) == {"sourcedId": "a", "grades": "(could not be read)"}


def test_a_page_with_white_space_between_is_cut_into_the_same_records():
    body = json.dumps({"users": [user(1), 7, user(2)]}, indent=2).encode()
    decoded = decode_page(USERS, body)

    assert [record.sourced_id for record in decoded.records] == ["u1", "u2"]
    assert [bad.code for bad in decoded.unreadable] == ["not_an_object"]


def test_numeric_sourced_ids_become_text():
    assert [record.sourced_id for record in decode_page(USERS, page({"sourcedId": 7}, user(1))).records] == ["7", "u1"]


def test_nul_is_dropped_and_half_a_surrogate_replaced_but_a_pair_and_a_backslash_stay():
    body = (
        b'{"users": [{"sourcedId": "a", "givenName": "x\\u0000\\ud800y", "familyName": "\\ud83d\\ude00",'
        b' "middleName": "c:\\\\u0000\\\\ud800", "email": "\\uDC00\\u00e9", "metadata": {"k\\u0000": ["\\u0000v"]}}]}'
    )
    (record,) = decode_page(USERS, body).records

    assert (record.given_name, record.family_name) == ("x\ufffdy", "\U0001f600")
    assert (record.middle_name, record.email) == ("c:\\u0000\\ud800", "\ufffd\u00e9")
    assert record.metadata == {"k": ["v"]}


@pytest.mark.parametrize("odd", [rb"a\u0000b", rb"a\u0000\u0000b", rb"a\ud800b", b"a\x00b", b"a\x01b", rb"\u0000ab"])
def test_a_sourced_id_that_would_have_to_be_changed_is_no_other_record(odd):
    """Without the NUL it would be `ab`, and one of two people would be gone."""
    body = b'{"users": [{"sourcedId": "ab", "givenName": "Ada"}, {"sourcedId": "%s"}]}' % odd
    decoded = decode_page(USERS, body)

    assert [(record.sourced_id, record.given_name) for record in decoded.records] == [("ab", "Ada")]
    (bad,) = decoded.unreadable
    assert (bad.code, bad.field) == ("sourced_id_unusable", "sourcedId")
    assert bad.sourced_id not in ("ab", None)
    assert "\0" not in bad.sourced_id


def test_a_reference_that_would_have_to_be_changed_names_nothing():
    body = (
        rb'{"users": [{"sourcedId": "u", "primaryOrg": {"sourcedId": "o\u0000"}, "agents": ["a\u0000", "b"],'
        rb' "roles": [{"role": "student", "org": "o\u00001"}], "identifier": "4711\u0000"}]}'
    )
    (record,) = decode_page(USERS, body).records

    assert (record.primary_org_sourced_id.sourced_id, record.agents, record.roles[0].org) == (None, [None, "b"], None)
    assert record.identifier == "4711"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("10442.0", "10442"),
        ("10442.00", "10442"),
        ("10442", "10442"),
        ("12345678901234567.0", "12345678901234567"),
        ("123456789012345678901234567890.0", "123456789012345678901234567890"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-7.0", "-7"),
    ],
)
def test_whole_numbers_are_text_digit_by_digit_wherever_an_id_may_be(number, text):
    users = (
        '{"users": [{"sourcedId": %s, "identifier": %s, "grades": [%s, 5.0], "agents": [%s], "primaryOrg": %s,'
        ' "roles": [{"role": "student", "org": {"sourcedId": %s}}], "userIds": [{"type": "x", "identifier": %s}]}]}'
    )
    tables = columns("users", decode_page(USERS, (users % ((number,) * 7)).encode()).records)

    user = {name: values[0] for name, values in tables["users"].items()}
    assert (user["sourced_id"], user["identifier"], user["primary_org_sourced_id"]) == (text, text, text)
    assert json.loads(user["grades"]) == [text, "5"]
    assert json.loads(user["user_ids"]) == [{"type": "x", "identifier": text}]
    assert (tables["user_roles"]["org_sourced_id"], tables["user_agents"]["agent_sourced_id"]) == ([text], [text])


@pytest.mark.parametrize("number", ["12.5", "1e20", "1E5", "1.0e3", "-0.5"])
def test_another_number_is_text_as_it_is_written_and_no_id(number):
    body = (
        '{"users": [{"sourcedId": "a", "identifier": %s}, {"sourcedId": %s}, {"sourcedId": "c", "primaryOrg": %s},'
        ' {"sourcedId": "d", "agents": [{"sourcedId": %s}]}, {"sourcedId": "e", "metadata": {"x": [%s]}}]}'
    )
    decoded = decode_page(USERS, (body % ((number,) * 5)).encode())

    assert columns("users", decoded.records)["users"]["identifier"] == [number, None]
    assert decoded.records[1].metadata == {"x": [float(number)]}
    assert [(bad.sourced_id, bad.code, bad.field) for bad in decoded.unreadable] == [
        (None, "no_sourced_id", "sourcedId"),
        ("c", "wrong_type", "primaryOrg"),
        ("d", "wrong_type", "agents[].sourcedId"),
    ]


DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize(
    ("member", "code", "field"),
    [
        (b'"metadata": {"x": NaN}', "not_json", "metadata"),
        (b'"identifier": Infinity', "not_json", "identifier"),
        (b'"grades": [-Infinity]', "not_json", "grades"),
        (b'"unknown": undefined', "not_json", "unknown"),
        (b'"metadata": {"x": %s}' % DEEP, "nested_too_deeply", "metadata"),
        (b'"unknown": %s' % DEEP, "nested_too_deeply", "unknown"),
        (b'"identifier": %s' % (b"1" * 1_000_000), "number_out_of_range", "identifier"),
        (b'"identifier": 0.%s' % (b"1" * 1_000_000), "number_out_of_range", "identifier"),
        (b'"metadata": {"x": %s}' % (b"1" * 1_000_000), "number_out_of_range", "metadata"),
        (b'"metadata": {"x": 1e999}', "number_out_of_range", "metadata"),
    ],
)
@pytest.mark.parametrize("page_of", [b'{"users": [%s, %s, %s]}', b"[%s,%s,%s]"])
def test_what_json_does_not_have_costs_its_own_record(member, code, field, page_of):
    bad = b'{"password": "planted", "sourcedId": "bad", %s, "givenName": "Ada"}' % member
    decoded = decode_page(USERS, page_of % (b'{"sourcedId": "a"}', bad, b'{"sourcedId": "b", "givenName": "}],{"}'))

    assert [record.sourced_id for record in decoded.records] == ["a", "b"]
    (unreadable,) = decoded.unreadable
    assert (unreadable.sourced_id, unreadable.code) == ("bad", code)
    assert unreadable.field.partition(".")[0].partition("[")[0] == field
    shown = json.loads(unreadable.record)
    assert (shown["givenName"], shown.get("password")) == ("Ada", None)


def test_a_record_larger_than_any_costs_no_other(monkeypatch):
    monkeypatch.setattr("rollcall.oneroster.lenient_decode.MAX_RECORD_BYTES", 200)
    monkeypatch.setattr("rollcall.oneroster.decode.MAX_RECORD_BYTES", 200)
    decoded = decode_page(USERS, page(user(1), user(2, metadata={"photo": "x" * 200}), user(3)))

    assert [record.sourced_id for record in decoded.records] == ["u1", "u3"]
    assert [(bad.sourced_id, bad.code) for bad in decoded.unreadable] == [("u2", "record_too_large")]


def test_a_byte_order_mark_is_no_harm():
    assert decode_page(USERS, b"\xef\xbb\xbf" + page(user(1))).rows == 1


def test_another_name_for_the_list_is_taken_if_it_is_the_only_one():
    decoded = decode_page(USERS, page(user(1), envelope="students", statusInfoSet=[{"imsx_codeMajor": "success"}]))

    assert (decoded.rows, decoded.envelope) == (1, "students")
    assert decode_page(USERS, page(envelope="students")).rows == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"null",
        b'"ok"',
        b'{"users": null}',
        b'{"users": {"sourcedId": "u1"}}',
        b'{"errors": [{"description": "no"}]}',
        b'{"statusInfoSet": []}',
        b'{"students": [], "teachers": []}',
    ],
)
def test_200_without_a_list_is_an_error_and_never_zero_rows(body):
    with pytest.raises(InvalidResponse) as refused:
        decode_page(USERS, body)

    assert refused.value.code == "envelope_missing"


@pytest.mark.parametrize("rows", [[], [user(1)], [user(1), "planted", user(2)]])
def test_a_bare_list_is_read_without_an_envelope(rows):
    decoded = decode_page(USERS, json.dumps(rows).encode())

    assert [record.sourced_id for record in decoded.records] == [row["sourcedId"] for row in rows if row != "planted"]
    assert (decoded.rows, decoded.envelope, decoded.total) == (len(rows), "", None)
    assert [bad.code for bad in decoded.unreadable] == ["not_an_object"] * ("planted" in rows)


@pytest.mark.parametrize(
    ("members", "total"),
    [
        ({"totalCount": 9}, 9),
        ({"total": "9"}, 9),
        ({"count": 9}, 9),
        ({"totalCount": 9, "total": 8, "count": 2}, 9),
        ({"totalCount": None, "total": 8}, 8),
        ({"count": 2}, None),  # the rows of this page
        ({"totalCount": 2}, 2),
        ({"totalCount": -1, "total": True, "count": "many"}, None),
        ({"totalCount": [], "total": {"planted": 1}, "count": 1.5}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("second", [user(2), "planted"])
def test_a_total_beside_the_list(members, total, second):
    assert decode_page(USERS, page(user(1), second, **members)).total == total


def test_raw_control_characters_become_spaces_and_cost_nothing():
    decoded = decode_page(USERS, b'{"users": [{"sourcedId": "ab",\n\t"givenName": "A\x00da\tMaria\x1f"}, 7]}')

    (record,) = decoded.records
    assert (record.sourced_id, record.given_name) == ("ab", "Ada Maria ")


@pytest.mark.parametrize("body", [b"", b'{"users": [', page(user(1))[:-3], page(user(1), user(2))[:-20]])
def test_a_cut_off_answer_is_to_be_tried_again(body):
    with pytest.raises(RetryableError):
        decode_page(USERS, body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\n <!DOCTYPE html><p>planted", "html_answer"),
        (b'{"users": [planted]}', "json_malformed"),
        (b'{"users": []} planted', "json_malformed"),
        (b'{"users": [{"sourcedId": "a", "givenName": "5" tall"}, {"sourcedId": "b", "x": NaN}]}', "json_malformed"),
        (b'{"users": [{"sourcedId": "a", "x": NaN} {"sourcedId": "b"}]}', "json_malformed"),
        (b'{"users": [{"sourcedId": "a", "x": NaN}, {"sourcedId": "b"}', "json_malformed"),
        (b"[" * 100_000, "json_malformed"),
    ],
)
def test_what_is_no_json_is_an_error_that_quotes_nothing(body, code):
    with pytest.raises(InvalidResponse) as refused:
        decode_page(USERS, body)

    assert refused.value.code == code
    assert "planted" not in str(refused.value)


def test_reads_both_versions_and_what_providers_make_of_them():
    rows = [
        {"sourcedId": "a", "parent": None, "type": 3, "children": [1]},
        {"sourcedId": "b", "parent": "a"},
        {"sourcedId": "c", "parent": {"sourcedId": "a", "type": "org", "href": "x"}},
        {"sourcedId": "d", "parent": 12, "metadata": None, "unknown": {"deep": [1]}},
    ]

    assert decode_page(ORGS, page(*rows, envelope="orgs")).unreadable == []
