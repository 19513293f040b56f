"""What a hold looks like and what it does not look like: the likely causes, with their numbers (rule 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from rollcall.guard.drafts import HoldDraft
from rollcall.guard.evidence import Evidence
from rollcall.guard.removals import graduated, only_school, promoted, schools_with

UNEXPLAINED = "unexplained"


#: Tables whose rows belong to a person: a student, staff, or another.
_PERSON_TABLES = ("users", "enrollments", "accounts")

_SCHOOL_TABLES = ("users", "classes", "enrollments")


@dataclass(frozen=True)
class Numbers:
    """The numbers that causes are judged by. They cover everything that leaves of a kind, not only the hold's rows.

    :param rows: the hold's rows of its collection. `kinds` has them per kind, with the live rows of that kind.
    :param leaving: all rows of these kinds that leave tonight, in any hold or none.
    :param new_period: `school year` or `terms` if one ends and the next begins, else empty.
    :param schools: the number of schools with leaving rows; `of_schools` schools have published rows.
    :param same_people: how many of the people who leave return with another sourcedId.
    :param moved: accounts that move from one site to another.
    """

    rows: int
    students: int
    students_gone: int
    classes: int
    classes_gone: int
    classes_new: int
    kinds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    leaving: int = 0
    promoted: int = 0
    graduated: int = 0
    new_period: str = ""
    schools: int = 0
    of_schools: int = 0
    same_people: int = 0
    rules_changed: bool = False
    moved: int = 0

    @property
    def published(self) -> int:
        """How many rows of these kinds are published."""
        return sum(live for _, live in self.kinds.values())


def weigh_causes(collection: str, kind: str, numbers: Numbers) -> tuple[str, str]:
    """What a hold looks like and what it does not look like, each with its numbers."""
    if kind == "additions":
        return UNEXPLAINED, ""
    causes = [_rollover(collection, numbers), _migration(collection, numbers), _one_school(numbers)]
    if collection == "accounts":
        causes = [_own_change(numbers)]
    elif kind == "identities":
        causes = [_rollover(collection, numbers), _one_school(numbers)]
    like = [text for is_likely, text in causes if is_likely and text]
    unlike = [text for is_likely, text in causes if not is_likely and text]
    return "; ".join(like) or UNEXPLAINED, "; ".join(unlike)


def _rollover(collection: str, n: Numbers) -> tuple[bool, str]:
    students_stay = n.students_gone * 2 < n.students
    classes_turn = n.classes_new > 0 and n.classes_gone * 2 >= n.classes
    own, _ = n.kinds.get("students", (0, 0))
    by_students = own > 0 and (n.graduated * 2 >= own or n.promoted * 2 >= n.students)
    is_so = bool(n.new_period) and students_stay and (by_students if collection == "users" else classes_turn)
    begun = (
        f"a new {n.new_period} began"
        if n.new_period == "school year"
        else "new terms began"
        if n.new_period
        else "no school year began"
    )
    numbers = (
        f"{begun}, {n.classes_gone:,} of {n.classes:,} classes leave and {n.classes_new:,} are new, "
        f"{n.students_gone:,} of {n.students:,} students leave, {n.promoted:,} were promoted, "
        f"{n.graduated:,} graduated"
    )
    return is_so, f"a year rollover ({numbers})"


def _migration(collection: str, n: Numbers) -> tuple[bool, str]:
    if collection != "users":
        return False, ""
    return (
        n.same_people * 2 >= n.rows,
        f"an ID migration ({n.same_people:,} of {n.rows:,} return with another sourcedId)",
    )


def _one_school(n: Numbers) -> tuple[bool, str]:
    if not n.schools or n.of_schools < 2:
        return False, ""
    is_so = n.schools == 1
    where = f"all {n.leaving:,} are at one of" if is_so else f"they are at {n.schools:,} of"
    return is_so, f"one school ({where} {n.of_schools:,} schools)"


def _own_change(n: Numbers) -> tuple[bool, str]:
    moved = f"{n.moved:,} accounts move to another site"
    if n.rules_changed:
        return (
            True,
            f"our own change of settings (they changed since the last publication, {moved})",
        )
    return False, "our own change of settings (they did not change since the last publication)"


def counts_by_kind(collection: str, numbers: Numbers) -> str:
    """`288 of 960 students, 3 of 40 staff`; empty for rows that belong to no person."""
    of = {"users": "{}", "accounts": "accounts of {}", "enrollments": "enrollments of {}"}.get(collection)
    if of is None:
        return ""
    known = {kind: counts for kind, counts in numbers.kinds.items() if kind in _KIND_NAMES}
    return ", ".join(f"{rows:,} of {live:,} {of.format(_KIND_NAMES[kind])}" for kind, (rows, live) in known.items())


_KIND_NAMES = {"students": "students", "staff": "staff", "others": "guardians and others"}


def collect_numbers(draft: HoldDraft, evidence: Evidence, pairs: pd.DataFrame, moved: int = 0) -> Numbers:
    """The numbers for a hold."""
    table = draft.collection
    keys = draft.of(table)["row_key"]
    kinds, places = _by_kind(draft, evidence, keys)
    at_schools = table in _SCHOOL_TABLES
    is_school = evidence.roster.schools() if at_schools else set()
    per_key = places[places["school"].isin(is_school)]
    # a person at several schools counts at the main one, so that one teacher does not add a second school
    schools = per_key.drop_duplicates("key")["school"].nunique() if at_schools else 0
    gone = evidence.departing("users")["key"] if at_schools else pd.Series(dtype="object")
    students_gone = _among_kind(evidence, gone, "students")
    return Numbers(
        rows=len(keys),
        kinds=kinds,
        leaving=places["key"].nunique(),
        students=evidence.roster.live_by_kind("users").get("students", 0) if at_schools else 0,
        students_gone=students_gone,
        classes=evidence.published("classes"),
        classes_gone=len(evidence.departing("classes")),
        classes_new=len(evidence.rows("classes", "added", "returned")),
        promoted=len(promoted(evidence)) if at_schools else 0,
        graduated=len(graduated(evidence, gone)) if at_schools else 0,
        new_period=_new_period(evidence) if at_schools else "",
        schools=1 if at_schools and only_school(evidence, table, places) else int(schools),
        of_schools=len(schools_with(evidence, table) & is_school) if at_schools else 0,
        same_people=int(keys.isin(pairs["old"]).sum()),
        rules_changed=evidence.rules_changed,
        moved=moved,
    )


def _by_kind(draft: HoldDraft, evidence: Evidence, keys: pd.Series) -> tuple[dict[str, tuple[int, int]], pd.DataFrame]:
    """The hold's rows per kind, and the places of everything that leaves of these kinds."""
    table = draft.collection
    if table not in (*_SCHOOL_TABLES, *_PERSON_TABLES) or draft.kind == "additions":
        return {}, pd.DataFrame({"key": keys, "kind": "all", "school": None})
    leaving = (
        evidence.going(table, with_approved=True)["key"]
        if draft.kind == "removals" and table in _SCHOOL_TABLES
        else keys
    )
    every = pd.concat([keys, leaving]).drop_duplicates()
    places = evidence.roster.places_of(table, pa.array(every, pa.string())).to_pandas().astype("object")
    own = places[places["key"].isin(keys)].groupby("kind")["key"].nunique()
    live = evidence.roster.live_by_kind(table)
    kinds = {str(kind): (int(rows), live.get(str(kind), 0)) for kind, rows in own.items()}
    return dict(sorted(kinds.items(), key=lambda one: _ORDER.index(one[0]))), places[places["kind"].isin(list(kinds))]


_ORDER = ("students", "staff", "others", "all")


def _among_kind(evidence: Evidence, keys: pd.Series, kind: str) -> int:
    if keys.empty:
        return 0
    places = evidence.roster.places_of("users", pa.array(keys, pa.string())).to_pandas()
    return int(places.loc[places["kind"] == kind, "key"].nunique())


def _new_period(evidence: Evidence) -> str:
    """`school year` or `terms` if a new one begins: a session is new, or the new classes are in other terms than the
    leaving ones."""
    sessions = evidence.rows("academic_sessions", "added", "returned", columns=("type",))
    if (sessions["type"] == "schoolYear").any():
        return "school year"
    new = evidence.rows("class_terms", "added", columns=("class_sourced_id", "term_sourced_id"))
    new = new[new["class_sourced_id"].isin(evidence.rows("classes", "added", "returned")["key"])]
    gone = evidence.departing("classes")["key"]
    if new.empty or gone.empty:
        return ""
    old = evidence.roster.terms_of(pa.array(gone, pa.string())).to_pylist()
    return "terms" if old and not set(old) & set(new["term_sourced_id"]) else ""
