"""Selects the answer about a person: in the roster, removed, or never received."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from rollcall.accounts.assignment import MANUAL
from rollcall.accounts.person_matching import CONTRADICTED, PLACEHOLDER
from rollcall.changes.comparison import ABSENT_TWICE, TOMBSTONE
from rollcall.display.dates import format_date, format_day
from rollcall.explain.changes import PersonChange, removal_reason, school_renames
from rollcall.explain.context import (
    DistrictContext,
    current_enrollments,
    derive_username,
    has_not_begun,
    role_label,
    role_name,
    site_names,
    site_of_org,
)
from rollcall.explain.formatting import field_label, full_name, join_words, pluralize
from rollcall.explain.person_details import PersonDetails, read_held_rows, unpublished_rejects
from rollcall.explain.search import Row, fetch_rows, schools_of
from rollcall.model.username_text import username_key
from rollcall.settings import night_of
from rollcall.warehouse.models import staging
from rollcall.warehouse.ops_models import holds, person_findings

Values = dict[str, Any]
SelectedAnswer = tuple[str, Values]

#: The field that records of one person share, in words.
_PERSON_KEYS = {"identifier": "number", "email": "email address"}

#: Older changes are not worth an answer of their own.
_RECENT = timedelta(days=30)

_NO_REASON = "no reason recorded"

_REMOVAL_ANSWERS = {TOMBSTONE: "removed_by_provider", ABSENT_TWICE: "removed_after_absence"}


class AnswerSelector:
    """Selects the answer about one person; reads other people's records where needed."""

    def __init__(
        self, connection: sa.Connection, context: DistrictContext, person: PersonDetails, changes: list[PersonChange]
    ) -> None:
        self._connection = connection
        self._context = context
        self._district = context.settings
        self._person = person
        self._changes = changes
        self._accounts = person.live(person.accounts)
        self._roles = person.live(person.roles)

    def select(self) -> SelectedAnswer:
        """The code of the answer and its values."""
        code, values = self._current() if self._person.is_live else self._removed()
        return code, {"name": self._person.name, "id": self._person.sourced_id, **values}

    def _removed(self) -> SelectedAnswer:
        user = self._person.user
        cause = user["_removed_reason"]
        values = {"date": self._day(user["_removed_at"]), "reason": removal_reason(cause) or _NO_REASON}
        kept = next((other for other in self._person.others if other["_removed_at"] is None), None)
        if kept is None:
            return _REMOVAL_ANSWERS.get(cause, "removed"), values
        has_account = self._has_account(kept["sourced_id"])
        state = "That record has the account." if has_account else "That record has no account either."
        return "merged_into", {**values, "other": self._label(kept), "basis": kept["basis"], "other_state": state}

    def _current(self) -> SelectedAnswer:
        for check in (self._held, self._rejected, self._missing):
            if selected := check():
                return selected
        if self._accounts:
            return self._with_account()
        return self._left_out() if self._person.left_out else ("no_result", {})

    def _held(self) -> SelectedAnswer | None:
        if not self._person.held:
            return None
        hold = self._person.held[0]
        return f"held_{hold['kind']}", {"hold": hold["hold_id"], "date": self._day(hold["opened_at"])}

    def _rejected(self) -> SelectedAnswer | None:
        own = [row for row in self._person.rejects if row["collection"] == "users"]
        return ("rejected", reject_values(own[0])) if own else None

    def _missing(self) -> SelectedAnswer | None:
        since = self._person.user["_missing_since"]
        return ("missing", {"date": self._day(since)}) if since is not None else None

    def _with_account(self) -> SelectedAnswer:
        first = min(self._accounts, key=lambda row: not row["is_primary_site"])
        classes = len(current_enrollments(self._context, self._person.enrollments))
        values = {
            "sites": site_names(self._accounts),
            "username": first["username"],
            "field": field_label(first["username_field"]),
            "classes": pluralize(classes, "class", "classes"),
        }
        checks: tuple[Callable[[Row], SelectedAnswer | None], ...] = (
            self._returned,
            self._merged,
            self._school_renamed,
            self._several_roles,
            self._space_removed,
            self._user_disabled,
            self._possible_duplicate,
        )
        for check in checks:
            if selected := check(first):
                return selected[0], {**values, **selected[1]}
        is_student = first["role"] == "student"
        return "no_class_yet" if is_student and not classes else "has_account", values

    def _space_removed(self, account: Row) -> SelectedAnswer | None:
        if account["username_field"] == MANUAL:
            return None
        source = derive_username(self._district, self._person.user, account["role"])
        is_source = source.field == account["username_field"]
        return ("space_removed", {"sent": source.sent}) if is_source and source.was_cleaned else None

    def _possible_duplicate(self, _: Row) -> SelectedAnswer | None:
        """Another record with the same person key that is treated as a different person."""
        columns = person_findings.c
        theirs = (columns.district_id == self._district.district, columns.user_sourced_id == self._person.sourced_id)
        query = sa.select(columns.detail).where(*theirs, columns.rule.in_([CONTRADICTED, PLACEHOLDER]))
        detail = self._connection.execute(query.order_by(columns.rule)).scalars().first()
        if detail is None:
            return None
        other, _, conflict = detail.rpartition(": ")
        key = _PERSON_KEYS.get(self._district.person_key, "")
        return "possible_duplicate", {"key": key, "conflict": conflict, "other": self._other(other, None)["other"]}

    def _returned(self, _: Row) -> SelectedAnswer | None:
        lives = [change for change in self._recent("person") if change.kind in ("returned", "received", "removed")]
        return ("returned", {"date": self._day(lives[0].at)}) if lives and lives[0].kind == "returned" else None

    def _merged(self, _: Row) -> SelectedAnswer | None:
        removed = next((other for other in self._person.others if other["_removed_at"] is not None), None)
        if removed is None:
            return None
        values = {"other": self._label(removed), "basis": removed["basis"], "date": self._day(removed["_removed_at"])}
        return "merged_from", {**values, "reason": removal_reason(removed["_removed_reason"]) or _NO_REASON}

    def _school_renamed(self, account: Row) -> SelectedAnswer | None:
        change = next(iter(self._recent("school")), None)
        if change is None:
            return None
        names = {"old_school": change.before, "school": change.after, "date": self._day(change.at)}
        return "school_renamed", {**names, "site_kept": site_note(self._context, account["site_name"])}

    def _several_roles(self, account: Row) -> SelectedAnswer | None:
        counting = [role for role in self._roles if self._district.role_target(role["role"] or "") == account["role"]]
        others = [role for role in self._roles if role not in counting]
        if not others or not counting:
            return None
        return "several_roles", {
            "role": account["role"] if account["role"] == "staff" else "a student",
            "counting": join_words(map(role_label, counting)),
            "not_counting": join_words(map(role_label, others)),
        }

    def _user_disabled(self, account: Row) -> SelectedAnswer | None:
        return ("user_disabled", {}) if account["is_enabled"] is False else None

    def _left_out(self) -> SelectedAnswer:
        left_out = self._person.left_out or {}
        reason, detail = str(left_out["reason"]), str(left_out["detail"])
        with_account = [
            other
            for other in self._person.others
            if other["_removed_at"] is None and self._has_account(other["sourced_id"])
        ]
        roles = join_words(sorted({role_name(role["role"]) for role in self._roles})) or "a person without a role"
        role = self._role_at(detail, reason)
        school = role["org_name"] if role else None
        derived = derive_username(self._district, self._person.user, self._role())
        fields = self._district.username_sources("staff" if self._role() == "staff" else "student")
        values: Values = {
            "detail": detail,
            "roles": roles,
            "school": school or "the school",
            "grade": join_words(self._person.user["grades"] or []) or "no grade",
            "field": field_label(derived.field) if derived.sent else _alternatives(source.field for source in fields),
            "sent": derived.sent,
            "username": derived.username,
            "date": _role_date(role, reason),
        }
        if reason == "role_left_out" and with_account:
            kept = with_account[0]
            state = "Before OneRoster 1.2, some systems send one record per role."
            return "second_record", {**values, "other": self._label(kept), "basis": kept["basis"], "other_state": state}
        if reason in ("username_collision", "same_person"):
            values |= self._other(detail, derived.username)
            values["person_key"] = _PERSON_KEYS.get(self._district.person_key, "person key")
        return reason, values

    def _other(self, sourced_id: str, username: str | None) -> Values:
        """The other person of a username collision, and who gets the username."""
        users, accounts = staging["users"], staging["accounts"]
        where = (users.c.district_id == self._district.district, users.c.sourced_id == sourced_id)
        found = fetch_rows(self._connection, sa.select(users).where(*where))
        if not found:
            return {"other": f"the record {sourced_id}", "other_state": ""}
        account_where = (
            accounts.c.district_id == self._district.district,
            accounts.c.user_sourced_id == sourced_id,
            accounts.c._removed_at.is_(None),
        )
        current = self._connection.execute(sa.select(accounts.c.username).where(*account_where)).scalars().first()
        keeps = current is not None and username_key(current) == username_key(username or "")
        other = self._label(found[0])
        state = (
            f"{full_name(found[0])} already has this username and keeps it."
            if keeps
            else "Neither had it before, so neither gets it."
        )
        return {"other": other, "other_state": state}

    def _role(self) -> str:
        targets = {self._district.role_target(role["role"] or "") for role in self._roles}
        return "staff" if "staff" in targets else "student"

    def _role_at(self, org: str, reason: str) -> Row | None:
        """The role at the school a reason names. Of several that have not begun, the first one to begin."""
        roles = [role for role in self._roles if role["org_sourced_id"] == org]
        if reason == "role_not_begun":
            night, early = self._context.night, self._district.filters.days_early
            roles = [role for role in roles if has_not_begun(role, night, early)]
            roles.sort(key=lambda role: role["begin_date"])
        return roles[0] if roles else None

    def _recent(self, subject: str) -> list[PersonChange]:
        published = self._context.published
        since = published["current_as_of"] - _RECENT if published else None
        return [
            change for change in self._changes if change.subject == subject and (since is None or change.at >= since)
        ]

    def _day(self, instant: datetime) -> str:
        return format_day(instant, self._context.timezone)

    def _label(self, user: Row) -> str:
        """Another person by name, ID and school."""
        schools = schools_of(self._connection, self._district.district, [user["sourced_id"]])
        at = join_words(schools.get(user["sourced_id"], []))
        return f"{full_name(user)} ({user['sourced_id']}{f', {at}' if at else ''})"

    def _has_account(self, sourced_id: str) -> bool:
        accounts = staging["accounts"]
        where = (
            accounts.c.district_id == self._district.district,
            accounts.c.user_sourced_id == sourced_id,
            accounts.c._removed_at.is_(None),
        )
        return bool(self._connection.execute(sa.select(sa.exists().where(*where))).scalar())


def reject_values(reject: Row) -> Values:
    """The values of an answer about a rejected record. The answer adds the period after the reason."""
    return {
        "reason": str(reject["reason"]).rstrip("."),
        "rule": reject["rule"],
        "field": field_label(reject["field"]),
        "date": format_date(reject["night"]),
    }


def site_note(context: DistrictContext, site: str | None) -> str:
    """What a school's new name means for its site."""
    if context.settings.sites is None:
        return "The site name follows the school name."
    return f'The site name is still "{site}".'


def _alternatives(fields: Iterable[str]) -> str:
    return " or, if empty, ".join(field_label(field) for field in fields)


def _role_date(role: Row | None, reason: str) -> str:
    name = "begin" if reason == "role_not_begun" else "end"
    value = role[f"{name}_date"] if role else None
    return format_date(value) if value else f"the {name} date of the role"


#: What a reply may repeat as a name: at least two words of letters. IDs and email addresses do not match.
_IS_NAME = re.compile(r"(?=.* )[^\W\d_]+(?:[ '’.-]+[^\W\d_]+)*")

_UNNAMED = "The person you asked about"


def select_for_unknown(connection: sa.Connection, context: DistrictContext, who: str) -> SelectedAnswer:
    """The answer if no user in the roster matches."""
    who = who.strip()
    values = {"who": who, "name": who if _IS_NAME.fullmatch(who) else _UNNAMED}
    if context.published is None:
        return "never_synced", values
    district = context.settings.district
    rejected = unpublished_rejects(connection, district, who)
    own = [row for row in rejected if row["collection"] == "users"]
    if own:
        return "rejected_new", {**values, **reject_values(own[0]), "name": _name(own[0])}
    if hold := _first_publication_hold(connection, district):
        since = format_day(hold["opened_at"], context.timezone)
        return "first_publication_held", {**values, "hold": hold["hold_id"], "date": since}
    orphans = sum(row["collection"] == "enrollments" for row in rejected)
    proof = (context.pull or {}).get("proofs", {}).get("users")
    if orphans and proof and proof["kind"] == "unproven":
        received = {"received": f"{proof['unique']:,}", "expected": _total(proof["expected"])}
        return "people_incomplete", {**values, **received, "count": pluralize(orphans, "enrollment")}
    if orphans:
        return "enrolled_without_person", {**values, "count": pluralize(orphans, "enrollment")}
    if held := read_held_rows(connection, district, who, []):
        hold = held[0]
        since = format_day(hold["opened_at"], context.timezone)
        return "new_record_held", {**values, "hold": hold["hold_id"], "date": since}
    if not context.settings.enabled:
        return "district_disabled", values
    if context.paused:
        return "district_paused", {**values, "paused": context.paused}
    if failed := context.failed:
        night = night_of(failed["started_at"], context.timezone)
        return "pull_failed", {**values, "date": format_date(night), "error": failed["error_message"] or ""}
    return "never_received", values


def _first_publication_hold(connection: sa.Connection, district: str) -> Row | None:
    """The hold that withholds every person: on people, or on any part of a first roster."""
    users = staging["users"]
    has_people = sa.exists().where(users.c.district_id == district, users.c._removed_at.is_(None))
    query = sa.select(holds).where(
        holds.c.district_id == district,
        holds.c.closed_at.is_(None),
        holds.c.kind == "additions",
        sa.or_(holds.c.collection == "users", ~has_people),
    )
    row = connection.execute(query.order_by(holds.c.opened_at).limit(1)).mappings().one_or_none()
    return dict(row) if row is not None else None


def _total(expected: int | None) -> str:
    return "an unknown number of" if expected is None else f"{expected:,}"


def _name(reject: Row) -> str:
    """The name in a rejected record, by our column names or OneRoster's."""
    record = reject["record"] if isinstance(reject["record"], dict) else {}
    names = {
        "given_name": record.get("given_name") or record.get("givenName"),
        "family_name": record.get("family_name") or record.get("familyName"),
    }
    texts = {key: value for key, value in names.items() if isinstance(value, str)}
    return full_name(texts)


def select_for_school(connection: sa.Connection, context: DistrictContext, school: Row) -> SelectedAnswer:
    """The answer about a school."""
    district, zone = context.settings, context.timezone
    name = school["name"] or school["sourced_id"]
    values = {"school": name, "people": _people_at(connection, district.district, school["sourced_id"])}
    if school["_removed_at"] is not None:
        reason = removal_reason(school["_removed_reason"]) or _NO_REASON
        return "school_removed", {**values, "date": format_day(school["_removed_at"], zone), "reason": reason}
    site, reason = site_of_org(district, school["sourced_id"], school["name"], school["type"])
    if not site:
        return "school_without_site", {**values, "why": reason}
    renames = school_renames(connection, district.district, [school["sourced_id"]])
    if not renames:
        return "school_has_site", {**values, "sites": site}
    newest = renames[-1]
    rename = {"old_school": newest.before, "date": format_day(newest.at, zone)}
    return "school_name_changed", {**values, **rename, "site_kept": site_note(context, site)}


def _people_at(connection: sa.Connection, district: str, org: str) -> str:
    roles = staging["user_roles"]
    where = (roles.c.district_id == district, roles.c.org_sourced_id == org, roles.c._removed_at.is_(None))
    count = connection.execute(sa.select(sa.func.count(roles.c.user_sourced_id.distinct())).where(*where)).scalar_one()
    return pluralize(count, "person", "people")
