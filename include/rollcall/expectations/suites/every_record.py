"""Rules for every record of every collection."""

from __future__ import annotations

from rollcall.expectations.rules import Rule, is_true, not_null, one_of, parseable, provided
from rollcall.model.vocabularies import STATUS


def identity() -> list[Rule]:
    """The first rules, for every record including tombstones."""
    return [
        Rule(
            "sourced_id_missing",
            "critical",
            "sourcedId",
            "The record has no usable sourcedId: it is missing, has more than 255 characters, or contains the control "
            "character U+001F. The record cannot be identified.",
            not_null("sourced_id"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_repeated",
            "critical",
            "sourcedId",
            "The sourcedId was received more than once. The record with the newest dateLastModified is used.",
            is_true("is_newest"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_disputed",
            "critical",
            "sourcedId",
            "Two different records have the same sourcedId and dateLastModified. Their roles and lists are merged; all "
            "other fields are taken from the other record.",
            is_true("is_undisputed"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_shared",
            "info",
            "sourcedId",
            "Several records have the same sourcedId and dateLastModified. Their roles and lists are merged.",
            is_true("is_single"),
        ),
        Rule(
            "status_unknown",
            "critical",
            "status",
            "The status is neither active nor tobedeleted, so the record may be active or deleted.",
            one_of("status", STATUS),
        ),
    ]


def dated() -> list[Rule]:
    """Rules for `dateLastModified`. A bad one rejects no record; it is left empty."""
    return [
        Rule(
            "date_last_modified_missing",
            "warning",
            "dateLastModified",
            "The record has no time of its last change.",
            provided("date_last_modified"),
        ),
        Rule(
            "date_last_modified_unreadable",
            "warning",
            "dateLastModified",
            "The time of the last change is not a valid time such as 2026-08-21T07:30:00Z. It is left empty.",
            parseable("date_last_modified"),
        ),
    ]


def storable(*, has_indexed: bool = True) -> list[Rule]:
    """Rules for what the warehouse cannot store. One such value would block the whole night from being published.

    :param has_indexed: whether the records have indexed texts other than their sourcedId.
    """
    indexed = Rule(
        "text_too_long",
        "critical",
        "",
        "A text is too long: a username, email address, or identifier over 1,000 bytes, a role over 255 bytes, or a "
        "referenced sourcedId over 255 characters.",
        is_true("fits_index"),
        guards_key=True,
    )
    return [
        *([indexed] if has_indexed else []),
        Rule(
            "record_too_large",
            "critical",
            "",
            "The texts of the record have more than 1,000,000 bytes in total.",
            is_true("is_small"),
            guards_key=True,
        ),
        Rule(
            "nested_too_deeply",
            "critical",
            "metadata",
            "The metadata nest lists or objects more than 100 levels deep, which databases refuse.",
            is_true("is_shallow"),
            guards_key=True,
        ),
    ]
