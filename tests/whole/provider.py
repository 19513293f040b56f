"""A provider whose people come, leave, return, and change, and what a pull of it brings."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.whole.rules import NAMES, Content, Sent

#: The numbers of people and classes. `u0`, `c0`, and `e-u0-c0` never leave, because a collection without rows is always
#: held.
PEOPLE, CLASSES = 5, 3

#: Who has no account: one without an e-mail, and a guardian.
NO_EMAIL, GUARDIAN = "u1", "u2"

Rows = dict[str, list[dict[str, Any]]]

#: A kind of change, a person and a class.
Change = tuple[str, int, int]


@dataclass
class Provider:
    """:param records: per collection what it would send, and since when that is so; None is marked as to be deleted."""

    records: dict[str, dict[str, tuple[Content | None, int]]] = field(
        default_factory=lambda: {name: {} for name in NAMES}
    )
    tick: int = 0

    def __post_init__(self) -> None:
        self.change([("come", i, i) for i in range(PEOPLE)])

    def change(self, changes: Iterable[Change]) -> None:
        """Let things happen, in order."""
        self.tick += 1
        for kind, person, class_ in changes:
            getattr(self, f"_{kind}")(f"u{person % PEOPLE}", f"c{class_ % CLASSES}")

    def pull(
        self,
        as_of: datetime,
        *,
        since: dict[str, int] | None = None,
        unproven: Collection[str] = (),
        refused: Collection[str] = (),
        without: Collection[str] = (),
    ) -> Sent:
        """:param since: ask only for what was modified after these ticks.
        :param refused: sourcedIds of records nobody can read tonight.
        """
        read = [name for name in NAMES if name not in without]
        sent: dict[str, dict[str, Content | None]] = {name: {} for name in read}
        refused_of: dict[str, set[str]] = {name: set() for name in read}
        for name in read:
            for key, (content, changed_at) in self.records[name].items():
                if since is not None and changed_at <= since[name]:
                    continue
                if key in refused:
                    refused_of[name].add(key)
                else:
                    sent[name][key] = content
        proves = frozenset(read) - set(unproven) if since is None else frozenset()
        return Sent(as_of, sent, refused_of, proves)

    def _come(self, person: str, class_: str) -> None:
        self._set("classes", class_, (f"{class_} first",))
        self._set("users", person, (f"{person} first",))
        self._enroll(person, class_)

    def _rename(self, person: str, _class: str) -> None:
        if self._is_there("users", person):
            self._set("users", person, (f"{person} renamed {self.tick}",))

    def _retitle(self, _person: str, class_: str) -> None:
        if self._is_there("classes", class_):
            self._set("classes", class_, (f"{class_} renamed {self.tick}",))

    def _enroll(self, person: str, class_: str) -> None:
        self._set("enrollments", f"e-{person}-{class_}", (person, class_))

    def _move(self, person: str, class_: str) -> None:
        """An enrollment that leads to another class under the same sourcedId."""
        key = f"e-{person}-c1"
        if self._is_there("enrollments", key):
            self._set("enrollments", key, (person, class_))

    def _leave(self, person: str, _class: str) -> None:
        """Marked as to be deleted; the enrollments are left as they were."""
        self._set("users", person, None)

    def _leave_with_all(self, person: str, _class: str) -> None:
        self._set("users", person, None)
        for class_ in range(CLASSES):
            self._set("enrollments", f"e-{person}-c{class_}", None)

    def _vanish(self, person: str, _class: str) -> None:
        """No longer sent at all."""
        self._drop("users", person)

    def _vanish_with_all(self, person: str, _class: str) -> None:
        self._drop("users", person)
        for class_ in range(CLASSES):
            self._drop("enrollments", f"e-{person}-c{class_}")

    def _return(self, person: str, _class: str) -> None:
        """Sent again, without a word about enrollments."""
        self._set("users", person, (f"{person} first",))

    def _end_class(self, _person: str, class_: str) -> None:
        self._set("classes", class_, None)

    def _lose_class(self, _person: str, class_: str) -> None:
        self._drop("classes", class_)

    def _open_class(self, _person: str, class_: str) -> None:
        self._set("classes", class_, (f"{class_} first",))

    def _leave_class(self, person: str, class_: str) -> None:
        self._set("enrollments", f"e-{person}-{class_}", None)

    def _lose_enrollment(self, person: str, class_: str) -> None:
        self._drop("enrollments", f"e-{person}-{class_}")

    def _is_there(self, name: str, key: str) -> bool:
        return self.records[name].get(key, (None, 0))[0] is not None

    def _set(self, name: str, key: str, content: Content | None) -> None:
        if content is None and (key in _STAYS or key not in self.records[name]):
            return
        self.records[name][key] = (content, self.tick)

    def _drop(self, name: str, key: str) -> None:
        if key not in _STAYS:
            self.records[name].pop(key, None)


_STAYS = ("u0", "c0", "e-u0-c0")

#: Every kind of change.
KINDS = (
    "come",
    "rename",
    "retitle",
    "enroll",
    "move",
    "leave",
    "leave_with_all",
    "vanish",
    "vanish_with_all",
    "return",
    "end_class",
    "lose_class",
    "open_class",
    "leave_class",
    "lose_enrollment",
)


def as_rows(sent: Sent) -> Rows:
    """The rows :meth:`Nights.prepare` takes."""
    gone = {"status": "tobedeleted"}
    made: Rows = {
        "orgs": [{"sourced_id": "school", "name": "Elm School", "type": "school"}],
        "academic_sessions": [{"sourced_id": "year", "title": "2026-2027", "type": "schoolYear"}],
        "courses": [{"sourced_id": "maths", "title": "Mathematics"}],
    }
    for name, records in sent.records.items():
        make = {"classes": _class, "users": _user, "enrollments": _enrollment}[name]
        made[name] = [make(key, said) if said else {"sourced_id": key, **gone} for key, said in records.items()]
    active = {name: [row["sourced_id"] for row in made.get(name, []) if "status" not in row] for name in NAMES}
    made["class_terms"] = [{"class_sourced_id": key, "term_sourced_id": "year"} for key in active["classes"]]
    made["user_roles"] = [_role(key) for key in active["users"]]
    return made


def _class(key: str, content: Content) -> dict[str, Any]:
    return {"sourced_id": key, "title": content[0], "school_sourced_id": "school", "course_sourced_id": "maths"}


def _user(key: str, content: Content) -> dict[str, Any]:
    return {
        "sourced_id": key,
        "given_name": key.title(),
        "family_name": content[0],
        "email": None if key == NO_EMAIL else f"{key}@elm.example",
        "identifier": f"id-{key}",
        "primary_org_sourced_id": "school",
    }


def _role(key: str) -> dict[str, Any]:
    role = "guardian" if key == GUARDIAN else "student"
    shape = {"org_sourced_id": "school", "role": role, "role_type": "primary"}
    return {"user_sourced_id": key, "role_key": f"{role}|school|", **shape}


def _enrollment(key: str, content: Content) -> dict[str, Any]:
    person, class_ = content
    whose = {"user_sourced_id": person, "class_sourced_id": class_}
    return {"sourced_id": key, **whose, "school_sourced_id": "school", "role": "student"}
