"""What a hold looks like, and what not: the causes that numbers at hand speak for and against (rule 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from rollcall.guard.drafts import HoldDraft
from rollcall.guard.evidence import Evidence
from rollcall.guard.removals import graduated, only_school, promoted, schools_with

UNEXPLAINED = "unexplained"


#: Tables whose rows are a person's, each of students, staff or others.
_PERSON_TABLES = ("users", "enrollments", "accounts")

_SCHOOL_TABLES = ("users", "classes", "enrollments")


@dataclass(frozen=True)
class Numbers:
    """What a cause is judged by: all that goes of what the hold names, not only the rows of this hold.

    :param rows: what the hold names of its collection; `kinds` the same per kind, with the live rows of that kind.
    :param going: all rows of these kinds that go tonight, whatever hold names them.
    :param turn: `school year` or `terms` where one gives way to the next, else empty.
    :param schools: at how many schools what goes is, 0 if at none; `of_schools` schools have published rows.
    :param same_people: how many of those who go come back under another sourcedId.
    :param moved: accounts that go from one site to another.
    """

    rows: int
    students: int
    students_gone: int
    classes: int
    classes_gone: int
    classes_new: int
    kinds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    going: int = 0
    promoted: int = 0
    graduated: int = 0
    turn: str = ""
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
    """What it looks like and what it does not look like, each with its numbers."""
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
    is_so = bool(n.turn) and students_stay and (by_students if collection == "users" else classes_turn)
    begun = (
        f"a new {n.turn} began" if n.turn == "school year" else "new terms began" if n.turn else "no school year began"
    )
    numbers = (
        f"{begun}, {n.classes_gone:,} of {n.classes:,} classes go and {n.classes_new:,} are new, {n.students_gone:,} "
        f"of {n.students:,} students go, {n.promoted:,} were promoted, {n.graduated:,} graduated"
    )
    return is_so, f"a year rollover ({numbers})"


def _migration(collection: str, n: Numbers) -> tuple[bool, str]:
    if collection != "users":
        return False, ""
    return (
        n.same_people * 2 >= n.rows,
        f"an id migration ({n.same_people:,} of {n.rows:,} come under another sourcedId)",
    )


def _one_school(n: Numbers) -> tuple[bool, str]:
    if not n.schools or n.of_schools < 2:
        return False, ""
    is_so = n.schools == 1
    where = f"all {n.going:,} are at one of" if is_so else f"they are at {n.schools:,} of"
    return is_so, f"one school ({where} {n.of_schools:,} schools)"


def _own_change(n: Numbers) -> tuple[bool, str]:
    moved = f"{n.moved:,} accounts move from site to site"
    if n.rules_changed:
        return (
            True,
            f"our own mapping or filter change (the district's rules are not those of the last publication, {moved})",
        )
    return False, "our own mapping or filter change (the district's rules are those of the last publication)"


def counts_by_kind(collection: str, numbers: Numbers) -> str:
    """`288 of 960 students, 3 of 40 staff`; empty where rows belong to no person."""
    of = {"users": "{}", "accounts": "accounts of {}", "enrollments": "enrollments of {}"}.get(collection)
    if of is None:
        return ""
    known = {kind: counts for kind, counts in numbers.kinds.items() if kind in _KIND_NAMES}
    return ", ".join(f"{rows:,} of {live:,} {of.format(_KIND_NAMES[kind])}" for kind, (rows, live) in known.items())


_KIND_NAMES = {"students": "students", "staff": "staff", "others": "guardians and others"}


def collect_numbers(draft: HoldDraft, evidence: Evidence, pairs: pd.DataFrame, moved: int = 0) -> Numbers:
    """The numbers at hand about what a hold names."""
    table = draft.collection
    keys = draft.of(table)["row_key"]
    kinds, places = _by_kind(draft, evidence, keys)
    at_schools = table in _SCHOOL_TABLES
    is_school = evidence.roster.schools() if at_schools else set()
    per_key = places[places["school"].isin(is_school)]
    # of people who are at several schools the nearest counts, so that a teacher of two makes no second school
    schools = per_key.drop_duplicates("key")["school"].nunique() if at_schools else 0
    gone = evidence.departing("users")["key"] if at_schools else pd.Series(dtype="object")
    students_gone = _among_kind(evidence, gone, "students")
    return Numbers(
        rows=len(keys),
        kinds=kinds,
        going=places["key"].nunique(),
        students=evidence.roster.live_by_kind("users").get("students", 0) if at_schools else 0,
        students_gone=students_gone,
        classes=evidence.published("classes"),
        classes_gone=len(evidence.departing("classes")),
        classes_new=len(evidence.rows("classes", "added", "returned")),
        promoted=len(promoted(evidence)) if at_schools else 0,
        graduated=len(graduated(evidence, gone)) if at_schools else 0,
        turn=_new_period(evidence) if at_schools else "",
        schools=1 if at_schools and only_school(evidence, table, places) else int(schools),
        of_schools=len(schools_with(evidence, table) & is_school) if at_schools else 0,
        same_people=int(keys.isin(pairs["old"]).sum()),
        rules_changed=evidence.rules_changed,
        moved=moved,
    )


def _by_kind(draft: HoldDraft, evidence: Evidence, keys: pd.Series) -> tuple[dict[str, tuple[int, int]], pd.DataFrame]:
    """What a hold names per kind, and where all that goes of these kinds is."""
    table = draft.collection
    if table not in (*_SCHOOL_TABLES, *_PERSON_TABLES) or draft.kind == "additions":
        return {}, pd.DataFrame({"key": keys, "kind": "all", "school": None})
    goes = (
        evidence.going(table, with_approved=True)["key"]
        if draft.kind == "removals" and table in _SCHOOL_TABLES
        else keys
    )
    every = pd.concat([keys, goes]).drop_duplicates()
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
    """Whether a school year gives way to the next, or terms do: a session comes, or the new classes are in other terms
    than those that go."""
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
