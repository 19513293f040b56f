"""Golden tables of mapping: who gets which account where, and everybody else's one first reason."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from rollcall.accounts.mapping import map_accounts
from rollcall.landing.mapping import LEFT_OUT_REASONS, MappingInput, MappingResult
from rollcall.landing.validated import accepted_schema
from rollcall.model.tables import TABLES
from rollcall.settings import District, Sites, Usernames, UsernameSource


def _table(name: str, rows: list[dict[str, Any]], columns: list[str] | None = None) -> pa.Table:
    table = pa.Table.from_pylist(rows, schema=accepted_schema(TABLES[name]))
    return table.select(columns) if columns else table


def _user(key: str, **fields: Any) -> dict[str, Any]:
    named = {"given_name": key.title(), "family_name": "Elm", "email": f"{key}@elm.example", "identifier": f"id-{key}"}
    return {"sourced_id": key, "status": "active", **named, **fields}


def _role(user: str, role: str = "student", org: str | None = "north", role_type: str = "primary") -> dict[str, Any]:
    key = f"{role}|{org}|"
    return {"user_sourced_id": user, "role_key": key, "org_sourced_id": org, "role": role, "role_type": role_type}


ORGS = [
    {"sourced_id": "district", "name": "Elm District", "type": "district"},
    {"sourced_id": "north", "name": "North School", "type": "school"},
    {"sourced_id": "south", "name": "South School", "type": "school"},
    {"sourced_id": "annex", "name": "North Annex", "type": "school"},
]


def _map(users, held_roles, accounts=(), **settings: Any) -> MappingResult:
    given = {"district": "elm", "name": "Elm", "version": "1.2", "usernames": "email", **settings}
    people = MappingInput(
        orgs=_table("orgs", ORGS, ["sourced_id", "name", "type"]),
        users=_table("users", users),
        user_roles=_table("user_roles", held_roles),
        accounts=_table("accounts", list(accounts)),
    )
    return map_accounts(District(**given), people, date(2026, 11, 21))


def _accounts(mapped: MappingResult, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns) for row in mapped.accounts.to_pylist()]


def _left_out(mapped: MappingResult) -> dict[str, tuple[str, str]]:
    return {row["user_sourced_id"]: (row["reason"], row["detail"]) for row in mapped.left_out.to_pylist()}


def test_without_sites_every_school_is_its_own():
    mapped = _map([_user("ada"), _user("ben")], [_role("ada"), _role("ben", org="south")])
    assert _accounts(mapped, "user_sourced_id", "site_id", "site_name", "role", "username") == [
        ("ada", "north", "North School", "student", "ada@elm.example"),
        ("ben", "south", "South School", "student", "ben@elm.example"),
    ]
    assert mapped.coverage == {"people": 2, "with_site": 2, "with_username": 2, "with_account": 2}


def test_a_student_at_two_schools_has_an_account_at_each_with_one_username():
    mapped = _map(
        [_user("ada", primary_org_sourced_id="south")], [_role("ada"), _role("ada", org="south", role_type="secondary")]
    )
    assert _accounts(mapped, "site_id", "username", "is_primary_site") == [
        ("north", "ada@elm.example", False),
        ("south", "ada@elm.example", True),
    ]
    assert len(set(mapped.accounts["account_id"].to_pylist())) == 2


def test_a_username_longer_than_any_index_takes_leaves_its_person_out_alone():
    """Transforms and userIds make names that no check of the fields themselves has seen."""
    users = [_user(name, user_ids=f'[{{"type":"LDAP","identifier":"{name * 64}"}}]') for name in ("adas", "ben")]
    mapped = _map(users, [_role("adas"), _role("ben")], usernames="userIds.LDAP")
    assert _accounts(mapped, "username") == [("ben" * 64,)]
    assert _left_out(mapped)["adas"][0] == "username_pattern"


def test_two_schools_of_one_site_make_one_account():
    sites = Sites(targets={"N": "North"}, map={"north": "N", "annex": "N"})
    mapped = _map([_user("ada")], [_role("ada"), _role("ada", org="annex", role_type="secondary")], sites=sites)
    columns = ("site_id", "site_name", "school_sourced_ids", "source_roles")
    assert _accounts(mapped, *columns) == [("N", "North", '["annex","north"]', '["student"]')]


def test_a_school_is_mapped_left_out_or_undecided():
    sites = Sites(targets=["North"], map={"north": "North", "south": "exclude"})
    users = [_user(name) for name in ("ada", "ben", "cid", "dot")]
    roles = [
        _role("ada"),
        _role("ben", org="south"),
        _role("cid", org="annex"),
        _role("dot", org="annex"),
        _role("dot", role_type="secondary"),
    ]
    mapped = _map(users, roles, sites=sites)
    assert _accounts(mapped, "user_sourced_id", "site_id") == [("ada", "North"), ("dot", "North")]
    assert _left_out(mapped) == {"ben": ("school_left_out", "south"), "cid": ("school_undecided", "annex")}
    undecided = [(finding.rule, finding.count) for finding in mapped.findings]
    assert undecided == [("school_undecided:annex", 2)]
    assert "North Annex" in mapped.findings[0].message


@pytest.mark.parametrize(
    ("role", "becomes"),
    [
        ("student", "student"),
        ("teacher", "staff"),
        ("principal", "staff"),
        ("counselor", "staff"),
        ("aide", "staff"),
        ("administrator", "staff"),
        ("guardian", ("role_left_out", "guardian")),
        ("parent", ("role_left_out", "parent")),
        ("relative", ("role_left_out", "relative")),
        ("ext:volunteer", ("role_undecided", "ext:volunteer")),
    ],
)
def test_roles_become_what_is_written(role, becomes):
    mapped = _map([_user("ada")], [_role("ada", role)])
    if isinstance(becomes, str):
        assert _accounts(mapped, "role") == [(becomes,)]
    else:
        assert _left_out(mapped) == {"ada": becomes}


def test_a_district_decides_about_roles():
    users, roles = [_user("ada"), _user("ben")], [_role("ada", "guardian"), _role("ben", "ext:volunteer")]
    mapped = _map(users, roles, roles={"guardian": "staff", "ext:volunteer": "exclude"})
    assert _accounts(mapped, "user_sourced_id", "role") == [("ada", "staff")]
    assert _left_out(mapped) == {"ben": ("role_left_out", "ext:volunteer")}


def test_a_teacher_who_is_also_a_parent_has_a_staff_account():
    mapped = _map([_user("ada")], [_role("ada", "guardian"), _role("ada", "teacher", role_type="secondary")])
    assert _accounts(mapped, "role", "source_roles") == [("staff", '["teacher"]')]


def test_a_primary_role_outranks_a_secondary_one():
    mapped = _map([_user("ada")], [_role("ada", "student"), _role("ada", "aide", role_type="secondary")])
    assert _accounts(mapped, "role", "source_roles") == [("student", '["aide","student"]')]


def test_who_is_at_the_district_office_only_is_at_no_school():
    mapped = _map(
        [_user("ada"), _user("ben"), _user("cid")], [_role("ada", "principal", "district"), _role("ben", org=None)]
    )
    assert _left_out(mapped) == {"ada": ("no_school", "district"), "ben": ("no_school", ""), "cid": ("no_role", "")}


@pytest.mark.parametrize(
    ("end", "has_account"),
    [(date(2026, 11, 20), False), (date(2026, 11, 21), False), (date(2026, 11, 22), True), (None, True)],
)
def test_a_role_gives_an_account_until_the_day_it_ends(end, has_account):
    mapped = _map([_user("ada")], [{**_role("ada"), "end_date": end}])
    assert (mapped.accounts.num_rows == 1) is has_account
    assert _left_out(mapped) == ({} if has_account else {"ada": ("role_ended", "north")})


def test_a_role_that_goes_on_counts_beside_one_that_has_ended():
    ended = {**_role("ada", org="north"), "end_date": date(2026, 10, 1)}
    mapped = _map([_user("ada")], [ended, _role("ada", org="south")])
    assert _accounts(mapped, "site_id") == [("south",)]


def test_an_office_can_be_a_site():
    sites = Sites(targets=["Office"], map={"district": "Office"})
    mapped = _map([_user("ada")], [_role("ada", "principal", "district")], sites=sites)
    assert _accounts(mapped, "site_id", "role") == [("Office", "staff")]


def test_siblings_with_one_email_get_no_account_and_each_is_told_the_other():
    users = [_user("ada", email="family@elm.example"), _user("ben", email=" Family@Elm.example")]
    mapped = _map(users, [_role("ada"), _role("ben")])
    assert mapped.accounts.num_rows == 0
    assert _left_out(mapped) == {"ada": ("username_collision", "ben"), "ben": ("username_collision", "ada")}


def test_who_has_the_name_live_keeps_it():
    first = _map([_user("ada", email="family@elm.example")], [_role("ada")])
    users = [_user("ada", email="family@elm.example"), _user("ben", email="FAMILY@elm.example")]
    second = _map(users, [_role("ada"), _role("ben")], accounts=first.accounts.to_pylist())
    assert _accounts(second, "user_sourced_id") == [("ada",)]
    assert _left_out(second) == {"ben": ("username_collision", "ada")}
    assert second.accounts["account_id"] == first.accounts["account_id"]


def test_records_of_one_person_do_not_collide_and_share_the_username():
    """Ed-Fi sends one record per person and school."""
    users = [
        _user("ada-n", email="ada@elm.example", identifier="7", given_name="Ada"),
        _user("ada-s", email="ada@elm.example", identifier="7", given_name="Ada"),
    ]
    mapped = _map(users, [_role("ada-n"), _role("ada-s", org="south")])
    assert _accounts(mapped, "user_sourced_id", "site_id", "username", "is_primary_site") == [
        ("ada-n", "north", "ada@elm.example", True),
        ("ada-s", "south", "ada@elm.example", False),
    ]
    strict = _map(users, [_role("ada-n"), _role("ada-s", org="south")], person_key="sourcedId")
    assert strict.accounts.num_rows == 0


def test_two_records_of_one_person_at_one_school_make_one_account():
    """Campus 1.1 sends one record per role."""
    users = [
        _user("t7", identifier="7", given_name="Ada"),
        _user("z7", identifier="7", given_name="Ada", email="t7@elm.example"),
    ]
    mapped = _map(users, [_role("t7", "teacher"), _role("z7", "aide")])
    assert _accounts(mapped, "user_sourced_id") == [("t7",)]
    assert _left_out(mapped) == {"z7": ("same_person", "t7")}


def _by(*sources: UsernameSource) -> Usernames:
    return Usernames(student=list(sources), staff=list(sources))


@pytest.mark.parametrize(
    ("transform", "result"),
    [
        (["trim", "lower"], "josé.o'neil@elm.example"),
        (["trim", "lower", "ascii"], "jose.o'neil@elm.example"),
        (["trim", "upper", "local_part"], "JOSÉ.O'NEIL"),
        (["trim", {"domain": "new.example"}, "lower"], "josé.o'neil@new.example"),
        (["trim", "local_part", {"prefix": "s-"}, {"suffix": "27"}], "s-José.O'Neil27"),
        (["trim", {"replace": ["'", ""]}, "local_part"], "José.ONeil"),
        (["trim", {"regex": ["[^A-Za-z]", ""]}, "lower"], "josoneilelmexample"),
        (["no_spaces"], "José.O'Neil@Elm.example"),
    ],
)
def test_transforms(transform, result):
    source = UsernameSource(field="email", transform=transform)
    mapped = _map([_user("ada", email=" José.O'Neil@Elm.example ")], [_role("ada")], usernames=_by(source))
    assert _accounts(mapped, "username", "username_field") == [(result, "email")]


@pytest.mark.parametrize(
    ("field", "result"),
    [
        ("email", "ada@elm.example"),
        ("username", "adal"),
        ("sourcedId", "ada"),
        ("identifier", "id-ada"),
        ("userIds.LDAP", "ldap-7"),
        ("metadata.ic.login", "nested"),
        ("metadata.flat.key", "flat"),
    ],
)
def test_fields(field, result):
    user = _user(
        "ada",
        username="adal",
        user_ids='[{"type":"State","identifier":"9"},{"type":"ldap","identifier":"ldap-7"}]',
        metadata='{"ic":{"login":"nested"},"flat.key":"flat"}',
    )
    mapped = _map([user], [_role("ada")], usernames=_by(UsernameSource(field=field)))
    assert _accounts(mapped, "username", "username_field") == [(result, field)]


def test_the_next_source_serves_only_where_the_one_above_is_empty():
    sources = _by(UsernameSource(field="email"), UsernameSource(field="identifier", transform=[{"prefix": "s"}]))
    users = [_user("ada"), _user("ben", email="", identifier="42"), _user("cid", email=None, identifier=None)]
    mapped = _map(users, [_role(name) for name in ("ada", "ben", "cid")], usernames=sources)
    assert _accounts(mapped, "username", "username_field") == [("ada@elm.example", "email"), ("s42", "identifier")]
    assert _left_out(mapped) == {"cid": ("no_username", "")}


def test_a_username_of_another_form_is_refused_and_not_replaced():
    sources = _by(UsernameSource(field="email", pattern=r"[a-z]+@elm\.example"), UsernameSource(field="identifier"))
    mapped = _map([_user("ada", email="ada-1@elm.example")], [_role("ada")], usernames=sources)
    assert _left_out(mapped) == {"ada": ("username_pattern", "")}


def test_everybody_ends_as_account_or_left_out_with_a_known_reason():
    roles = ["student", "teacher", "guardian", "ext:x", None]
    users = [_user(f"u{n}", email=None if n % 7 == 0 else f"u{n % 40}@elm.example") for n in range(200)]
    rows = [_role(f"u{n}", roles[n % 5], ["north", "south", "district", "gone"][n % 4]) for n in range(190)]
    mapped = _map(users, rows)
    with_account = set(mapped.accounts["user_sourced_id"].to_pylist())
    without = mapped.left_out["user_sourced_id"].to_pylist()
    assert with_account.isdisjoint(without)
    assert len(without) == len(set(without))
    assert with_account | set(without) == {f"u{n}" for n in range(200)}
    assert set(mapped.left_out["reason"].to_pylist()) <= set(LEFT_OUT_REASONS)


def test_an_account_s_id_is_made_from_its_key_and_then_kept():
    made = _map([_user("ada")], [_role("ada"), _role("ada", org="south", role_type="secondary")])
    namespace = uuid.UUID("9a3c1a3e-6d0f-5c62-9e55-2f1f6d8f2b10")
    ids = [str(uuid.uuid5(namespace, f"ada\x1f{site}")) for site in ("north", "south")]
    assert _accounts(made, "account_id") == [(one,) for one in ids]
    live = [{**row, "account_id": "kept"} for row in made.accounts.to_pylist()[:1]]
    later = _map([_user("ada")], [_role("ada"), _role("ada", org="south", role_type="secondary")], accounts=live)
    assert _accounts(later, "account_id") == [("kept",), (ids[1],)]


def test_nobody_at_all_is_no_error():
    mapped = _map([], [])
    assert (mapped.accounts.num_rows, mapped.left_out.num_rows) == (0, 0)


def test_a_finding_about_two_records_names_both_once():
    same = {"identifier": "7", "given_name": "Ada"}
    users = [_user("ada", **same), _user("eve", **same), *(_user(f"z{one}", email="a b@x") for one in range(9))]
    mapped = _map(users, [_role(user["sourced_id"]) for user in users])
    contradicted, refused = mapped.findings
    assert (contradicted.rule, contradicted.count) == ("person_key_contradicted", 2)
    assert contradicted.message.endswith(": ada and eve (email address).")
    assert (refused.rule, refused.count) == ("username_refused", 9)
    assert refused.message.endswith(": z0 (email); z1 (email); z2 (email).")
    assert mapped.person_findings.to_pylist()[:2] == [
        {"user_sourced_id": "ada", "rule": "person_key_contradicted", "detail": "eve: email address"},
        {"user_sourced_id": "eve", "rule": "person_key_contradicted", "detail": "ada: email address"},
    ]
