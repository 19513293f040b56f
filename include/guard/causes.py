"""What a hold looks like, and what not: the causes that numbers at hand speak for and against (DESIGN, rule 4)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from include.guard.claims import Claim
from include.guard.evidence import Evidence
from include.guard.removals import graduated
from include.guard.updates import promoted

UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Numbers:
    """What a cause is told by.

    :param rows: what the hold names of its collection.
    :param turn: `school year` or `terms` where one gives way to the next, else empty.
    :param schools: at how many schools the rows are, 0 where they are at none; readers have some at `of_schools`.
    :param same_people: how many of those who go come back under another sourcedId.
    :param moved: accounts that go from one site to another.
    """

    rows: int
    people: int
    people_gone: int
    classes: int
    classes_gone: int
    classes_new: int
    promoted: int = 0
    graduated: int = 0
    turn: str = ""
    schools: int = 0
    of_schools: int = 0
    same_people: int = 0
    rules_changed: bool = False
    moved: int = 0


def weighed(collection: str, kind: str, numbers: Numbers) -> tuple[str, str]:
    """What it looks like and what it does not look like, each with its numbers."""
    told = [_rollover(collection, numbers), _migration(collection, numbers), _one_school(numbers)]
    if collection == "accounts":
        told = [_own_change(numbers)]
    elif kind == "identities":
        told = [_rollover(collection, numbers), _one_school(numbers)]
    like = [words for is_so, words in told if is_so and words]
    unlike = [words for is_so, words in told if not is_so and words]
    return "; ".join(like) or UNEXPLAINED, "; ".join(unlike)


def _rollover(collection: str, n: Numbers) -> tuple[bool, str]:
    people_stay = n.people_gone * 2 < n.people
    classes_turn = n.classes_new > 0 and n.classes_gone * 2 >= n.classes
    by_people = n.graduated * 2 >= n.rows or n.promoted * 2 >= n.people
    is_so = bool(n.turn) and people_stay and (by_people if collection == "users" else classes_turn)
    begun = (
        f"a new {n.turn} began" if n.turn == "school year" else "new terms began" if n.turn else "no school year began"
    )
    numbers = (
        f"{begun}, {n.classes_gone:,} of {n.classes:,} classes go and {n.classes_new:,} are new, {n.people_gone:,} of "
        f"{n.people:,} people go, {n.promoted:,} were promoted, {n.graduated:,} graduated"
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
    where = f"all {n.rows:,} are at one of" if is_so else f"they are at {n.schools:,} of"
    return is_so, f"one school ({where} {n.of_schools:,} schools)"


def _own_change(n: Numbers) -> tuple[bool, str]:
    moved = f"{n.moved:,} accounts move from site to site"
    if n.rules_changed:
        return (
            True,
            f"our own mapping or filter change (the district's rules are not those of the last publication, {moved})",
        )
    return False, "our own mapping or filter change (the district's rules are those of the last publication)"


def numbers_of(claim: Claim, evidence: Evidence, pairs: pd.DataFrame, moved: int = 0) -> Numbers:
    """The numbers at hand about what a hold names."""
    own = claim.of(claim.collection)
    keys = own["row_key"]
    schooled = claim.collection in ("users", "classes", "enrollments")
    at = evidence.readers.schools_of(claim.collection, pa.array(keys, pa.string())).to_pandas() if schooled else None
    # of people who are at several schools the nearest counts, so that a teacher of two makes no second school
    schools = 0 if at is None else at.drop_duplicates("key")["school"].nunique()
    everybody_at = 0 if at is None else int((at.groupby("school")["key"].nunique() == len(keys)).any())
    about_people = claim.collection in ("users", "classes", "enrollments")
    gone = evidence.departing("users")["key"]
    return Numbers(
        rows=len(own),
        people=evidence.published("users"),
        people_gone=len(gone),
        classes=evidence.published("classes"),
        classes_gone=len(evidence.departing("classes")),
        classes_new=len(evidence.rows("classes", "added", "returned")),
        promoted=len(promoted(evidence)) if about_people else 0,
        graduated=len(graduated(evidence, gone)) if about_people else 0,
        turn=_turn(evidence) if about_people else "",
        schools=1 if everybody_at else int(schools),
        of_schools=len(evidence.readers.rows_per_school(claim.collection)) if schooled else 0,
        same_people=int(keys.isin(pairs["old"]).sum()),
        rules_changed=evidence.rules_changed,
        moved=moved,
    )


def _turn(evidence: Evidence) -> str:
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
    old = evidence.readers.terms_of(pa.array(gone, pa.string())).to_pylist()
    return "terms" if old and not set(old) & set(new["term_sourced_id"]) else ""
