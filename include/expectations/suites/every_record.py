"""What holds for every record of every collection."""

from __future__ import annotations

from include.expectations.rules import Rule, holds, one_of, present, readable, said
from include.expectations.vocabularies import STATUS


def identity() -> list[Rule]:
    """Asked of every record, tombstones too, before anything else."""
    return [
        Rule(
            "sourced_id_missing",
            "critical",
            "sourcedId",
            "The record has no sourcedId, or one of more than 255 characters, so nobody can tell which record it is.",
            present("sourced_id"),
            guards_key=True,
        ),
        Rule(
            "sourced_id_repeated",
            "critical",
            "sourcedId",
            "The same sourcedId came more than once; the record with the newest dateLastModified is used instead.",
            holds("is_newest"),
            guards_key=True,
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
            said("date_last_modified"),
        ),
        Rule(
            "date_last_modified_unreadable",
            "warning",
            "dateLastModified",
            "The time of the last change is not a time such as 2026-08-21T07:30:00Z; it is left empty.",
            readable("date_last_modified"),
        ),
    ]
