"""Holds what came of a collection, and of a pull, against a row of the table."""

from __future__ import annotations

from collections.abc import Mapping

from tests.providers.expectations import Expected, Row
from tests.providers.pulling import Came, Pulled, Way


def check_collection(result: Pulled, way: Way, row: Row, collection: str) -> None:
    """Rows, proof or refusal, and requests."""
    expected = row.of(way.district.app, collection)
    came, true = result.collections[collection], result.true[collection]
    if expected.kind == "refused":
        assert (came.refused, came.rows, came.proof) == (expected.code, 0, None)
    else:
        _check_rows(came, true, expected)
        _check_proof(came, true["total"], expected)
    pages = -(-(true["total"] - expected.lost + expected.doubled) // row.served)
    _check_requests(came.requests, pages, expected, others=way.concurrency - 1)


def check_politeness(result: Pulled, way: Way, row: Row, *, is_small: bool = True) -> None:
    """Never more at once than the budget, and as many token requests as the table says.

    :param is_small: of pages that fill the network's buffers the client has the last byte before the sandbox knows that
        it sent it, and its count may then be one too many.
    """
    by_client, by_sandbox = result.most_at_once
    assert 1 <= by_client <= way.concurrency
    if is_small and not row.lingers:
        assert by_sandbox <= way.concurrency
    if row.tokens is not None:
        assert result.token_requests == (row.tokens if way.district.auth == "oauth2" else 0)
    assert bool(result.refused_at_once) == all(came.requests == 0 for came in result.collections.values())


def _check_rows(came: Came, true: Mapping[str, int], expected: Expected) -> None:
    assert came.refused == ""
    assert came.unreadable == expected.unreadable
    assert came.rows == true["total"] - expected.lost - len(expected.unreadable)
    assert came.tombstones == true["tobedeleted"] - expected.lost_tombstones


def _check_proof(came: Came, total: int, expected: Expected) -> None:
    """A row whose sourcedId can be read counts as different, even if the rest of it cannot be read."""
    proof = came.proof
    assert proof is not None
    assert (proof.kind, proof.attempt) == (expected.kind, expected.attempt)
    assert proof.received == total - expected.lost + expected.doubled
    assert proof.unique == total - expected.lost - sum(not known for _, _, known in expected.unreadable)
    assert expected.says in proof.reason
    assert bool(proof.reason) == bool(expected.says)


def _check_requests(made: int, pages: int, expected: Expected, *, others: int) -> None:
    if expected.requests is None:
        assert made > pages
        return
    in_turn = expected.requests(pages)
    assert in_turn <= made <= in_turn + expected.in_vain * others
