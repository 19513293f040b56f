"""Rosters for mapping in few words: `student@north` is a role, a name alone is a person with everything in order."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa

from rollcall.accounts.mapping import map_accounts
from rollcall.landing.mapping import BIRTH_DATES_SCHEMA, ClassMembership, MappingInput, MappingResult
from rollcall.landing.validated import accepted_schema
from rollcall.model.tables import TABLES
from rollcall.settings import District

#: The night every case is mapped for.
NIGHT = date(2026, 11, 21)

ORGS = [
    {"sourced_id": "district", "name": "Elm District", "type": "district"},
    {"sourced_id": "north", "name": "North School", "type": "school"},
    {"sourced_id": "south", "name": "South School", "type": "school"},
    {"sourced_id": "annex", "name": "North Annex", "type": "school"},
]

#: Terms, with begin and end: one over, one until the night itself (which is over), one going on, one that begins that
#: very night, one that begins the next day, one later, and one of which nothing is known.
TERMS = {
    "summer": (date(2026, 6, 1), date(2026, 8, 1)),
    "autumn": (date(2026, 8, 1), NIGHT),
    "year": (date(2026, 8, 1), date(2027, 6, 1)),
    "winter": (NIGHT, date(2027, 3, 1)),
    "tomorrow": (date(2026, 11, 22), date(2027, 3, 1)),
    "spring": (date(2027, 3, 1), date(2027, 7, 1)),
    "undated": (None, None),
}


def table(name: str, rows: list[dict[str, Any]], columns: list[str] | None = None) -> pa.Table:
    made = pa.Table.from_pylist(rows, schema=accepted_schema(TABLES[name]))
    return made.select(columns) if columns else made


def district(**settings: Any) -> District:
    plain = {"district": "elm", "name": "Elm", "version": "1.2", "usernames": "email", **settings}
    return msgspec.convert(plain, District)


def people(persons: dict[str, Any], published: dict[str, str] | None = None, classes: Any = None) -> MappingInput:
    """The roster of a case.

    :param persons: by sourcedId the roles, such as `teacher@north, aide@south secondary from 2026-08-01 until
        2026-11-21`, or a map with `roles`, the fields that are not as usual, and the birth date, `born`.
    :param published: by sourcedId `<username> from <field> at <site>`, several sites separated by commas.
    :param classes: `enrollments`, by sourcedId the classes (`maths`, `maths from 2026-11-21 until 2026-11-30`), and
        `terms`, by class the terms (of `TERMS`).
    """
    users, roles, born = [], [], []
    for key, said in persons.items():
        given = dict(said) if isinstance(said, dict) else {"roles": said}
        roles += [_role(key, words) for words in (given.pop("roles") or "").split(",") if words.strip()]
        if "born" in given:
            born.append({"sourced_id": key, "birth_date": given.pop("born")})
        users.append(_user(key, given))
    return MappingInput(
        orgs=table("orgs", ORGS, ["sourced_id", "name", "type"]),
        users=table("users", users),
        user_roles=table("user_roles", roles),
        accounts=table("accounts", _published(published or {})),
        in_classes=in_classes(**classes) if classes else None,
        birth_dates=pa.Table.from_pylist(born, schema=BIRTH_DATES_SCHEMA),
    )


def rows_of(persons: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """A night's rows: the case's schools, nothing taught, these persons."""
    roster = people(persons)
    return {
        "orgs": ORGS,
        "academic_sessions": [{"sourced_id": "year", "title": "2026-2027", "type": "schoolYear"}],
        "courses": [],
        "classes": [],
        "users": roster.users.to_pylist(),
        "user_roles": roster.user_roles.to_pylist(),
        "enrollments": [],
        "demographics": roster.birth_dates.to_pylist(),
    }


def mapped(case: dict[str, Any]) -> MappingResult:
    roster = people(case["people"], case.get("published"), case.get("classes"))
    return map_accounts(district(**case.get("settings", {})), roster, NIGHT)


def outcome(made: MappingResult) -> dict[str, Any]:
    """What mapping made, in the words of a case; `*` marks the primary site."""
    return {
        "accounts": [
            f"{row['user_sourced_id']} {row['site_id']}{'*' if row['is_primary_site'] else ''} {row['role']} "
            f"{row['username']}"
            for row in made.accounts.to_pylist()
        ],
        "left_out": {
            row["user_sourced_id"]: f"{row['reason']} {row['detail']}".strip() for row in made.left_out.to_pylist()
        },
        "changes": [
            f"{row['user_sourced_id']} {row['site_id']} {row['kind']}: {row['old_username']} from {row['old_field']} "
            f"-> {row['new_username']} from {row['new_field']}"
            for row in made.name_changes.to_pylist()
        ],
        "findings": [f"{finding.rule} {finding.count}" for finding in made.findings],
    }


def in_classes(enrollments: dict[str, str], terms: dict[str, str]) -> ClassMembership:
    rows = []
    for user, words in enrollments.items():
        for one in words.split(","):
            name = one.split()[0]
            rows.append({"user_sourced_id": user, "class_sourced_id": name, **_begin_and_end(one)})
    class_terms = [
        {"class_sourced_id": name, "term_sourced_id": term} for name, all_of in terms.items() for term in all_of.split()
    ]
    sessions = [{"sourced_id": name, "start_date": begin, "end_date": end} for name, (begin, end) in TERMS.items()]
    return ClassMembership(
        enrollments=table("enrollments", rows, ["user_sourced_id", "class_sourced_id", "begin_date", "end_date"]),
        class_terms=table("class_terms", class_terms),
        academic_sessions=table("academic_sessions", sessions, ["sourced_id", "start_date", "end_date"]),
    )


def _user(key: str, given: dict[str, Any]) -> dict[str, Any]:
    usual = {"given_name": key.title(), "family_name": "Elm", "email": f"{key}@elm.example", "identifier": f"id-{key}"}
    as_json = {
        name: msgspec.json.encode(given[name]).decode()
        for name in ("grades", "user_ids", "user_profiles", "metadata")
        if name in given
    }
    return {"sourced_id": key, "status": "active", **usual, **given, **as_json}


def _role(user: str, said: str) -> dict[str, Any]:
    words = said.split()
    role, _, org = words[0].partition("@")
    dates = _begin_and_end(said)
    return {
        "user_sourced_id": user,
        "role_key": f"{role}|{org}|{dates['begin_date'] or ''}",
        "org_sourced_id": org or None,
        "role": role,
        "role_type": "secondary" if "secondary" in words else "primary",
        **dates,
    }


def _published(published: dict[str, str]) -> list[dict[str, Any]]:
    rows = []
    for user, said in published.items():
        username, _, rest = said.partition(" from ")
        field, _, sites = rest.partition(" at ")
        for number, site in enumerate(sites.split(", ")):
            rows.append(
                {
                    "user_sourced_id": user,
                    "site_id": site,
                    "account_id": f"{user}-{site}",
                    "username": username,
                    "username_field": field,
                    "is_primary_site": number == 0,
                }
            )
    return rows


def _begin_and_end(said: str) -> dict[str, date | None]:
    words = said.split()
    after = dict(itertools.pairwise(words))
    found = {"begin_date": after.get("from"), "end_date": after.get("until")}
    return {name: date.fromisoformat(text) if text else None for name, text in found.items()}
