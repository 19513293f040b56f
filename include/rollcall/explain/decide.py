"""Which of the fixed answers fits a person who is in the roster, or was."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from rollcall.accounts.assignment import MANUAL
from rollcall.accounts.person_matching import CONTRADICTED, PLACEHOLDER
from rollcall.changes.comparison import ABSENT_TWICE, TOMBSTONE
from rollcall.explain.changes import Change
from rollcall.explain.context import (
    DistrictContext,
    at_sites,
    current,
    derive_username,
    is_yet_to_begin,
    role_at,
    role_words,
)
from rollcall.explain.people import Row, places_of, rows
from rollcall.explain.person import Person, held_rows, rejected_unpublished
from rollcall.explain.words import counted, date_words, day, field_words, full_name, joined
from rollcall.model.username_text import username_key
from rollcall.settings import night_of
from rollcall.warehouse.models import holds, person_findings, staging

Values = dict[str, Any]
Decision = tuple[str, Values]

#: What makes one person of records that have it in common, in words.
PERSON_KEYS = {"identifier": "number", "email": "e-mail address"}

#: What happened before is no longer news.
_NEWS = timedelta(days=30)

_REMOVED = {TOMBSTONE: "removed_by_provider", ABSENT_TWICE: "removed_after_absence"}


class Decider:
    """Knows one person and how the district stands, and may look at other people's records."""

    def __init__(
        self, connection: sa.Connection, standing: DistrictContext, person: Person, changes: list[Change]
    ) -> None:
        self._connection = connection
        self._standing = standing
        self._district = standing.settings
        self._person = person
        self._changes = changes
        self._accounts = person.live(person.accounts)
        self._roles = person.live(person.roles)

    def decide(self) -> Decision:
        """The code of the answer and the values in it."""
        code, values = self._gone() if not self._person.is_live else self._here()
        return code, {"name": self._person.name, "id": self._person.sourced_id, **values}

    # -- somebody who left

    def _gone(self) -> Decision:
        user = self._person.user
        because = user["_removed_because"] or "for a reason that was not noted"
        values = {"date": self._day(user["_removed_at"]), "because": because}
        kept = next((other for other in self._person.others if other["_removed_at"] is None), None)
        if kept is None:
            return _REMOVED.get(because, "removed"), values
        state = "The account is there." if self._has_account(kept["sourced_id"]) else "There is no account either."
        return "merged_into", {**values, "other": self._named(kept), "basis": kept["basis"], "other_state": state}

    # -- somebody who is here

    def _here(self) -> Decision:
        for found in (self._held, self._rejected, self._missing):
            if decided := found():
                return decided
        if self._accounts:
            return self._with_account()
        return self._left_out() if self._person.left_out else ("unsettled", {})

    def _held(self) -> Decision | None:
        if not self._person.held:
            return None
        hold = self._person.held[0]
        return f"held_{hold['kind']}", {"hold": hold["hold_id"], "date": self._day(hold["opened_at"])}

    def _rejected(self) -> Decision | None:
        own = [row for row in self._person.rejects if row["collection"] == "users"]
        return ("rejected", rejected_values(own[0])) if own else None

    def _missing(self) -> Decision | None:
        since = self._person.user["_missing_since"]
        return ("missing", {"date": self._day(since)}) if since is not None else None

    def _with_account(self) -> Decision:
        first = min(self._accounts, key=lambda row: not row["is_primary_site"])
        classes = len(current(self._standing, self._person.enrollments))
        values = {
            "sites": at_sites(self._accounts),
            "username": first["username"],
            "field": field_words(first["username_field"]),
            "classes": counted(classes, "class", "classes"),
        }
        special: tuple[Callable[[Row], Decision | None], ...] = (
            self._returned,
            self._merged,
            self._school_renamed,
            self._several_roles,
            self._blank_taken_away,
            self._switched_off,
            self._kept_apart,
        )
        for look in special:
            if decided := look(first):
                return decided[0], {**values, **decided[1]}
        is_student = first["role"] == "student"
        return "no_class_yet" if is_student and not classes else "has_account", values

    def _blank_taken_away(self, account: Row) -> Decision | None:
        if account["username_field"] == MANUAL:
            return None
        source = derive_username(self._district, self._person.user, account["role"])
        same = source.field == account["username_field"] and source.was_cleaned
        return ("blank_taken_away", {"sent": source.sent}) if same else None

    def _kept_apart(self, _: Row) -> Decision | None:
        """Another record that shares the key of persons and is somebody else here."""
        columns = person_findings.c
        theirs = (columns.district_id == self._district.district, columns.user_sourced_id == self._person.sourced_id)
        query = sa.select(columns.detail).where(*theirs, columns.rule.in_([CONTRADICTED, PLACEHOLDER]))
        detail = self._connection.execute(query.order_by(columns.rule)).scalars().first()
        if detail is None:
            return None
        other, _, what = detail.rpartition(": ")
        key = PERSON_KEYS.get(self._district.person_key, "")
        return "kept_apart", {"key": key, "what": what, "other": self._other(other, None)["other"]}

    def _returned(self, _: Row) -> Decision | None:
        came = [change for change in self._news("person") if change.kind in ("returned", "came", "removed")]
        return ("returned", {"date": self._day(came[0].at)}) if came and came[0].kind == "returned" else None

    def _merged(self, _: Row) -> Decision | None:
        gone = next((other for other in self._person.others if other["_removed_at"] is not None), None)
        if gone is None:
            return None
        values = {"other": self._named(gone), "basis": gone["basis"], "date": self._day(gone["_removed_at"])}
        return "merged_from", {**values, "because": gone["_removed_because"]}

    def _school_renamed(self, account: Row) -> Decision | None:
        change = next(iter(self._news("school")), None)
        if change is None:
            return None
        names = {"old_school": change.before, "school": change.after, "date": self._day(change.at)}
        return "school_renamed", {**names, "site_kept": site_kept(self._standing, account["site_name"])}

    def _several_roles(self, account: Row) -> Decision | None:
        counting = [role for role in self._roles if self._district.role_target(role["role"] or "") == account["role"]]
        others = [role for role in self._roles if role not in counting]
        if not others or not counting:
            return None
        return "several_roles", {
            "role": account["role"] if account["role"] == "staff" else "a student",
            "counting": joined(map(role_at, counting)),
            "not_counting": joined(map(role_at, others)),
        }

    def _switched_off(self, account: Row) -> Decision | None:
        return ("switched_off", {}) if account["is_enabled"] is False else None

    # -- somebody who is here without an account

    def _left_out(self) -> Decision:
        left_out = self._person.left_out or {}
        reason, detail = str(left_out["reason"]), str(left_out["detail"])
        with_account = [
            other
            for other in self._person.others
            if other["_removed_at"] is None and self._has_account(other["sourced_id"])
        ]
        roles = joined(sorted({role_words(role["role"]) for role in self._roles})) or "nobody in particular"
        role = self._role_at(detail, reason)
        school = role["org_name"] if role else None
        about = derive_username(self._district, self._person.user, self._role())
        fields = self._district.username_sources("staff" if self._role() == "staff" else "student")
        values: Values = {
            "detail": detail,
            "roles": roles,
            "school": school or "the school",
            "grade": joined(self._person.user["grades"] or []) or "no grade",
            "field": field_words(about.field) if about.sent else _either(source.field for source in fields),
            "sent": about.sent,
            "username": about.username,
            "date": _when(role, reason),
        }
        if reason == "role_left_out" and with_account:
            kept = with_account[0]
            state = "Before OneRoster 1.2 some systems send a person once per role."
            return "second_record", {**values, "other": self._named(kept), "basis": kept["basis"], "other_state": state}
        if reason in ("username_collision", "same_person"):
            values |= self._other(detail, about.username)
            values["person_key"] = PERSON_KEYS.get(self._district.person_key, "person key")
        return reason, values

    def _other(self, sourced_id: str, username: str | None) -> Values:
        """The other person of a collision, and who gets the name."""
        users, accounts = staging["users"], staging["accounts"]
        where = (users.c.district_id == self._district.district, users.c.sourced_id == sourced_id)
        found = rows(self._connection, sa.select(users).where(*where))
        if not found:
            return {"other": f"the record {sourced_id}", "other_state": ""}
        theirs = (accounts.c.district_id == self._district.district, accounts.c.user_sourced_id == sourced_id)
        live = accounts.c._removed_at.is_(None)
        named = self._connection.execute(sa.select(accounts.c.username).where(*theirs, live)).scalars().first()
        keeps = named is not None and username_key(named) == username_key(username or "")
        other = self._named(found[0])
        state = (
            f"{full_name(found[0])} has it already and keeps it."
            if keeps
            else "Nobody had it before, so neither of the two gets it."
        )
        return {"other": other, "other_state": state}

    def _role(self) -> str:
        targets = {self._district.role_target(role["role"] or "") for role in self._roles}
        return "staff" if "staff" in targets else "student"

    def _role_at(self, org: str, reason: str) -> Row | None:
        """The role a reason is about, where its detail is a school; of several that have not begun the first to."""
        there = [role for role in self._roles if role["org_sourced_id"] == org]
        if reason == "role_not_begun":
            night, early = self._standing.night, self._district.filters.days_early
            there = [role for role in there if is_yet_to_begin(role, night, early)]
            there.sort(key=lambda role: role["begin_date"])
        return there[0] if there else None

    # -- words

    def _news(self, about: str) -> list[Change]:
        published = self._standing.published
        since = published["current_as_of"] - _NEWS if published else None
        return [change for change in self._changes if change.about == about and (since is None or change.at >= since)]

    def _day(self, instant: datetime) -> str:
        return day(instant, self._standing.timezone)

    def _named(self, user: Row) -> str:
        """Another person, so that whoever asks finds them: name, id and school."""
        schools = places_of(self._connection, self._district.district, [user["sourced_id"]])
        at = joined(schools.get(user["sourced_id"], []))
        return f"{full_name(user)} ({user['sourced_id']}{f', {at}' if at else ''})"

    def _has_account(self, sourced_id: str) -> bool:
        accounts = staging["accounts"]
        where = (
            accounts.c.district_id == self._district.district,
            accounts.c.user_sourced_id == sourced_id,
            accounts.c._removed_at.is_(None),
        )
        return bool(self._connection.execute(sa.select(sa.exists().where(*where))).scalar())


def rejected_values(reject: Row) -> Values:
    """What an answer says about a refused record; the reason stands in its own sentence already."""
    return {
        "reason": str(reject["reason"]).rstrip("."),
        "rule": reject["rule"],
        "field": field_words(reject["field"]),
        "date": date_words(reject["night"]),
    }


def site_kept(standing: DistrictContext, site: str | None) -> str:
    """What a renamed school does to its site."""
    if standing.settings.sites is None:
        return "the site follows the school's name"
    return f'the site here is still "{site}"'


def _either(fields: Any) -> str:
    return ", else ".join(field_words(field) for field in fields)


def _when(role: Row | None, reason: str) -> str:
    name = "begin" if reason == "role_not_begun" else "end"
    day = role[f"{name}_date"] if role else None
    return date_words(day) if day else f"the {name} of the role"


# Somebody of whom nothing is in the roster: refused, held back, or never came at all.

#: What may stand in a reply as a name: words of letters, at least two; an id or an e-mail address may not.
_IS_NAME = re.compile(r"(?=.* )[^\W\d_]+(?:[ '’.-]+[^\W\d_]+)*")

_SOMEBODY = "The person you asked about"


def about_nobody(connection: sa.Connection, standing: DistrictContext, who: str) -> Decision:
    """The answer about somebody no user in the roster fits."""
    who = who.strip()
    values = {"who": who, "name": who if _IS_NAME.fullmatch(who) else _SOMEBODY}
    if standing.published is None:
        return "never_synced", values
    district = standing.settings.district
    refused = rejected_unpublished(connection, district, who)
    own = [row for row in refused if row["collection"] == "users"]
    if own:
        return "rejected_new", {**values, **rejected_values(own[0]), "name": _name(own[0])}
    if waiting := _first_roster_waits(connection, district):
        since = day(waiting["opened_at"], standing.timezone)
        return "held_first", {**values, "hold": waiting["hold_id"], "date": since}
    orphans = sum(row["collection"] == "enrollments" for row in refused)
    proof = (standing.pull or {}).get("proofs", {}).get("users")
    if orphans and proof and proof["kind"] == "unproven":
        received = {"received": f"{proof['unique']:,}", "expected": _total(proof["expected"])}
        return "enrolled_and_not_received", {**values, **received, "count": counted(orphans, "enrollment")}
    if orphans:
        return "enrolled_but_absent", {**values, "count": counted(orphans, "enrollment")}
    held = held_rows(connection, district, who, [])
    if held:
        hold = held[0]
        return "held_new", {**values, "hold": hold["hold_id"], "date": day(hold["opened_at"], standing.timezone)}
    if not standing.settings.enabled:
        return "district_disabled", values
    if standing.paused:
        return "district_paused", {**values, "paused": standing.paused}
    if failed := standing.failed:
        night = night_of(failed["started_at"], standing.timezone)
        told = {"date": f"{night:%B} {night.day}, {night.year}", "error": failed["error_message"] or ""}
        return "pull_failed", {**values, **told}
    return "never_came", values


def _first_roster_waits(connection: sa.Connection, district: str) -> Row | None:
    """The hold that keeps every person out: of people themselves, or of any part of a first roster."""
    users = staging["users"]
    has_people = sa.exists().where(users.c.district_id == district, users.c._removed_at.is_(None))
    waits = sa.select(holds).where(
        holds.c.district_id == district,
        holds.c.closed_at.is_(None),
        holds.c.kind == "additions",
        sa.or_(holds.c.collection == "users", ~has_people),
    )
    row = connection.execute(waits.order_by(holds.c.opened_at).limit(1)).mappings().one_or_none()
    return dict(row) if row is not None else None


def _total(expected: int | None) -> str:
    return "a number we were not given" if expected is None else f"{expected:,}"


def _name(reject: Row) -> str:
    """The name in a refused record, in our spelling of the fields or the provider's."""
    record = reject["record"] if isinstance(reject["record"], dict) else {}
    named = {
        "given_name": record.get("given_name") or record.get("givenName"),
        "family_name": record.get("family_name") or record.get("familyName"),
    }
    texts = {key: value for key, value in named.items() if isinstance(value, str)}
    return full_name(texts)
