"""What holds for every record of every collection."""

from __future__ import annotations

from rollcall.expectations.rules import Rule, is_true, not_null, one_of, parseable, provided
from rollcall.expectations.vocabularies import STATUS


def identity() -> list[Rule]:
    """Asked of every record, tombstones too, before anything else."""
    return [
        Rule(
            "sourced_id_missing",
            "critical",
            "sourcedId",
            "The record has no sourcedId, or one of more than 255 characters or with the control character U+001F, so "
            "nobody can tell which record it is.",
            not_null("sourced_id"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_repeated",
            "critical",
            "sourcedId",
            "The same sourcedId came more than once; the record with the newest dateLastModified is used instead.",
            is_true("is_newest"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_disputed",
            "critical",
            "sourcedId",
            "Two records have the same sourcedId and dateLastModified and differ; their roles and lists are used "
            "together, and everything else of the other record.",
            is_true("is_undisputed"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_shared",
            "info",
            "sourcedId",
            "Several records have the same sourcedId and dateLastModified; their roles and lists are used together.",
            is_true("is_single"),
        ),
        Rule(
            "status_unknown",
            "critical",
            "status",
            "The status is neither active nor tobedeleted, so it is unclear whether the record still counts.",
            one_of("status", STATUS),
        ),
    ]


def dated() -> list[Rule]:
    """`dateLastModified` steers what is asked for next time, so a bad one costs no record; it is left empty."""
    return [
        Rule(
            "date_last_modified_missing",
            "warning",
            "dateLastModified",
            "The record does not say when it was last changed.",
            provided("date_last_modified"),
        ),
        Rule(
            "date_last_modified_unreadable",
            "warning",
            "dateLastModified",
            "The time of the last change is not a time such as 2026-08-21T07:30:00Z; it is left empty.",
            parseable("date_last_modified"),
        ),
    ]


def storable(*, has_indexed: bool = True) -> list[Rule]:
    """What the warehouse cannot take; one such value would keep a whole night from being published.

    :param has_indexed: whether the records have texts beside their sourcedId that become part of an index.
    """
    indexed = Rule(
        "text_too_long",
        "critical",
        "",
        "A username, e-mail address or identifier has more than 1,000 bytes, a role more than 255, or a sourcedId that "
        "is referred to more than 255 characters.",
        is_true("fits_index"),
        guards_key=True,
    )
    return [
        *([indexed] if has_indexed else []),
        Rule(
            "record_too_large",
            "critical",
            "",
            "All texts of the record together have more than 1,000,000 bytes.",
            is_true("is_small"),
            guards_key=True,
        ),
        Rule(
            "nested_too_deeply",
            "critical",
            "metadata",
            "The metadata hold lists or objects in more than 100 levels, which no database takes.",
            is_true("is_shallow"),
            guards_key=True,
        ),
    ]
