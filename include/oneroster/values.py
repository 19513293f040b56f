"""One column out of many records: makers of the functions that `columns` puts together to tables.

Everything becomes text or None: dates stay as they came, so that validation can judge one that is none; booleans become
`true` and `false`; lists and objects compact JSON with sorted keys. Columns are made by comprehension and by functions
of C, and single values are looked at only where a column holds something else than text: a Python call per cell would
make this ten times slower, and enrollments are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from include.oneroster.entities import Ref
from include.oneroster.odd_records import drop_passwords, shallow
from include.vocabularies import token

Texts = list[str | None]
Column = Callable[[Sequence[Any]], Texts]

_TEXT_OR_NONE = {str, type(None)}
_json = msgspec.json.Encoder(order="sorted")


def text(value: Any) -> str | None:
    """One value as text; the empty string is none."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def target(reference: Any) -> str | None:
    """The sourcedId a reference names, be it an object or the bare id some providers send."""
    return text(reference.sourced_id if type(reference) is Ref else reference)


def listed(value: Any) -> list[Any]:
    """A list; of one where a provider sends the value alone, of none where it sends null."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def targets(references: Any) -> list[str]:
    """The sourcedIds a list of references names, each once, in their order."""
    if references is None or references == []:
        return []
    return list(dict.fromkeys(named for named in map(target, listed(references)) if named is not None))


def filled(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in pairs if value}


def scalar(attribute: str) -> Column:
    get = attrgetter(attribute)
    return lambda records: _texts(list(map(get, records)))


def reference(attribute: str) -> Column:
    whole, sourced_id = attrgetter(attribute), attrgetter(f"{attribute}.sourced_id")

    def column(records: Sequence[Any]) -> Texts:
        try:
            return _texts(list(map(sourced_id, records)))
        except AttributeError:  # null or a bare id among them
            return [target(value) for value in map(whole, records)]

    return column


def flag(attribute: str) -> Column:
    """A boolean, however it is spelled; what is none stays as it is, for validation to see."""
    column = scalar(attribute)

    def lowered(value: str | None) -> str | None:
        return value.lower() if value and value.lower() in ("true", "false") else value

    return lambda records: _each_once(column(records), lowered)


def status(records: Sequence[Any]) -> Texts:
    """`active` where nothing is said (loaded in bulk, never touched), `tobedeleted` for 1.0's `inactive`."""

    def known(value: str | None) -> str:
        lowered = (value or "").strip().lower()
        return {"": "active", "inactive": "tobedeleted"}.get(lowered, lowered)

    return _each_once(scalar("status")(records), known)


def tokens(attribute: str, vocabulary: str) -> Column:
    """A value of one of OneRoster's vocabularies, in the specification's spelling."""
    column = scalar(attribute)
    return lambda records: _each_once(column(records), lambda value: value and token(vocabulary, value))


def metadata(records: Sequence[Any]) -> Texts:
    """Deeper values than are accepted are cut off just below that depth, for validation to see."""
    values = [record.metadata for record in records]
    try:
        texts = [_json_text(value) for value in values]
    except RecursionError:
        values = [shallow(value) for value in values]
        texts = [_json_text(value) for value in values]
    for row, value in enumerate(texts):
        if value is not None and "password" in value.lower():
            texts[row] = _json_text(drop_passwords(shallow(values[row])))
    return texts


def texts_list(attribute: str) -> Column:
    """A list of single values. Empty ones keep their place: `subjects` and `subjectCodes` pair up by index."""
    get = attrgetter(attribute)

    def column(records: Sequence[Any]) -> Texts:
        made: dict[tuple[Any, ...], str | None] = {}
        texts: Texts = []
        for value in map(get, records):
            single = listed(value)
            # The types belong to the key: 1, 1.0 and True are equal and are not the same text.
            key = (*single, *map(type, single))
            if key not in made:
                items = [text(item) or "" for item in single]
                made[key] = _json_text(items) if any(items) else None
            texts.append(made[key])
        return texts

    return column


def objects_list(attribute: str, plain: Callable[[Any], dict[str, Any]]) -> Column:
    """A list of objects, each made plain by a function that names the members it keeps."""
    get = attrgetter(attribute)
    return lambda records: [
        _json_text([made for made in map(plain, listed(value)) if made]) for value in map(get, records)
    ]


def _texts(values: list[Any]) -> Texts:
    if set(map(type, values)) <= _TEXT_OR_NONE:
        return [value or None for value in values] if "" in values else values
    return [text(value) for value in values]


def _each_once(values: Texts, change: Callable[[str | None], str | None]) -> Texts:
    """Change a column of few different values by changing each of them once."""
    changed = {value: change(value) for value in set(values)}
    return [changed[value] for value in values]


def _json_text(value: Any) -> str | None:
    return _json.encode(value).decode() if value else None
