"""What has to come of every collection under every switch of the sandbox: the table the pulls are held against.

The districts are those of `pulling.WAYS`: `new` (1.2) is read three requests at once, `old` (1.1) one at a time;
`signed` is 1.1 with OAuth 1, `big` has more rows than the larger clamps and is read five at once, `hung` is for answers
the provider goes on with after the client has left. Counts of rows are those of the sandbox's truth, but for what is
said here; numbers of requests follow from the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal


def pages_and_end(pages: int) -> int:
    """Every page, and the one request behind the last."""
    return pages + 1


def to_the_end_twice(pages: int) -> int:
    return 2 * pages_and_end(pages)


def twice_from_the_second_page(pages: int) -> int:
    """The first reading was given up at its second request."""
    return 2 + pages_and_end(pages)


def with_a_rest(requests: Callable[[int], int]) -> Callable[[int], int]:
    """One more: rows that came before stand on a page of their own, and the second reading takes it for the rest."""
    return lambda pages: requests(pages) + 1


def given_up_at_the_last_page(pages: int) -> int:
    """Rows that came before stand alone on the last page: the first reading ends there, the second behind it."""
    return 2 * pages + 1


def pages_alone(pages: int) -> int:
    return pages


def more(requests: int) -> Callable[[int], int]:
    return lambda pages: pages_and_end(pages) + requests


def exactly(requests: int) -> Callable[[int], int]:
    return lambda _: requests


@dataclass(frozen=True)
class Expected:
    """What comes of one collection.

    :param kind: of its proof, or that reading it is refused with `code`.
    :param says: what the proof's `reason` has to contain; empty: it says nothing.
    :param lost: rows of the truth that do not come, `lost_tombstones` of them marked as to be deleted, `doubled` rows
        that come once more.
    :param unreadable: code, field, and whether the sourcedId is known, of the records set aside.
    :param requests: made for so many pages, one after another; none where only their sum is known.
    :param in_vain: requests that each further thread may have made for pages that were not used after all.
    """

    kind: Literal["total", "empty_page", "link_end", "unproven", "refused"]
    code: str = ""
    says: str = ""
    attempt: int = 1
    lost: int = 0
    lost_tombstones: int = 0
    doubled: int = 0
    unreadable: tuple[tuple[str, str, bool], ...] = ()
    requests: Callable[[int], int] | None = pages_and_end
    in_vain: int = 0


@dataclass(frozen=True)
class Row:
    """A switch.

    :param expected: of every collection that is not named in `but`, or, where districts differ, in `but_in`.
    :param districts: that it is tried on, if it is of their version.
    :param served: rows a page has, of the `page_size` asked for.
    :param tokens: token requests in all; none where they depend on the pages.
    :param begins_later: when the service has been found, so that the first requests it breaks are those for pages.
    :param signature: of the connection, where it signs.
    :param limits: the client's, where it needs others.
    :param lingers: the provider works on requests that nobody waits for any more, so its count of them tells nothing.
    """

    expected: Expected
    but: Mapping[str, Expected] = field(default_factory=dict)
    but_in: Mapping[tuple[str, str], Expected] = field(default_factory=dict)
    districts: tuple[str, ...] = ("new", "old")
    page_size: int = 25
    served: int = 25
    tokens: int | None = 1
    timeout: float = 10.0
    begins_later: bool = False
    at_the_same_time: bool = False
    tenant_headers: bool = False
    signature: str = "HMAC-SHA256"
    lingers: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)

    def of(self, district: str, collection: str) -> Expected:
        return self.but_in.get((district, collection)) or self.but.get(collection) or self.expected


COMPLETE = Expected("total")
EMPTY_PAGE = Expected("empty_page")
RESTARTED = Expected("total", attempt=2, requests=twice_from_the_second_page, in_vain=1)

_ON_ONE_PAGE = ("orgs", "academic_sessions")
_ON_SEVERAL = ("courses", "classes", "users", "enrollments", "demographics")
_ALL = (*_ON_ONE_PAGE, *_ON_SEVERAL)


def _refused(code: str, requests: int) -> Expected:
    return Expected("refused", code, requests=exactly(requests))


def _each(collections: tuple[str, ...], expected: Expected) -> dict[str, Expected]:
    return dict.fromkeys(collections, expected)


def _only(collection: str, expected: Expected) -> Row:
    return Row(COMPLETE, but={collection: expected})


def _clamp(most: int, *districts: str) -> Row:
    return Row(COMPLETE, districts=districts, page_size=20_000, served=most)


def _passes(requests: int, **more_of_the_row: object) -> Row:
    """A fault that a collection has outlived after so many requests."""
    return replace(Row(replace(COMPLETE, requests=more(requests)), begins_later=True), **more_of_the_row)  # type: ignore[arg-type]


def _stays(code: str) -> Row:
    """A fault that outlives the patience of six attempts."""
    return Row(_refused(code, 6), begins_later=True)


_CHANGED = Expected(
    "unproven", says="its total changed from", attempt=2, requests=twice_from_the_second_page, in_vain=1
)
_NO_ROW_IS_FIXED = Expected("unproven", says="rows repeated on a later page: ", attempt=2, requests=to_the_end_twice)
_DOUBLED = Expected(
    "unproven", says="rows repeated on a later page: 3", attempt=2, doubled=3, requests=to_the_end_twice
)

PAGING = {
    "clamp-50": _clamp(50, "new", "old"),
    "clamp-100": _clamp(100, "new", "old"),
    "clamp-500": _clamp(500, "big"),
    "clamp-1000": _clamp(1000, "big"),
    "clamp-3000": _clamp(3000, "big"),
    "clamp-10000": _clamp(10_000, "big"),
    # the limit of 250 is refused, one of 1 is not, 200 is, 100 is not: of the first collection, and for all
    **{
        f"limit-refused-{status}": Row(
            COMPLETE, but={"orgs": replace(COMPLETE, requests=more(3))}, page_size=250, served=100
        )
        for status in (400, 413, 422)
    },
    "no-totals": Row(EMPTY_PAGE),
    "totals-only": Row(COMPLETE),
    "links-only": Row(Expected("link_end", requests=pages_alone), but=_each(_ON_ONE_PAGE, EMPTY_PAGE)),
    "total-in-body": Row(COMPLETE),
    "repeat-page-one": Row(
        replace(_refused("page_repeated", 4), in_vain=2), but=_each(_ON_ONE_PAGE, COMPLETE)
    ),
    "past-end-404": Row(COMPLETE),
    "past-end-204": Row(COMPLETE),
    "past-end-page-one": Row(COMPLETE),
    "count-changes": Row(_CHANGED),
    # Of pages asked for at the same time the one that arrives first is the changed one, and it need not be the second:
    # each further thread may so have been used for a page before it, and again for one behind it.
    "count-changes-once": Row(replace(RESTARTED, in_vain=2)),
    "row-comes-once": Row(RESTARTED),
    "row-comes-always": Row(
        replace(_CHANGED, lost=1, doubled=1),
        but=_each(
            _ON_ONE_PAGE,
            replace(_CHANGED, lost=1, doubled=1, requests=with_a_rest(twice_from_the_second_page)),
        ),
    ),
    "row-goes-once": Row(RESTARTED),
    "cut-off": Row(
        COMPLETE,
        but_in={
            (district, "users"): Expected(
                "unproven", says="truncated?", attempt=2, lost=lost, lost_tombstones=gone, requests=to_the_end_twice,
                in_vain=2,
            )
            for district, lost, gone in (("new", 60, 1), ("old", 67, 2))
        },
    ),
    "unstable-sort": Row(
        COMPLETE,
        but_in={
            (district, collection): replace(_NO_ROW_IS_FIXED, lost=lost, doubled=lost)
            for district, several in {"new": (15, 20, 19, 25, 13), "old": (13, 21, 18, 22, 14)}.items()
            for collection, lost in zip(_ON_SEVERAL, several, strict=True)
        },
    ),
    "duplicate-rows": Row(
        _DOUBLED,
        but=_each(_ON_ONE_PAGE, Expected("total", says="rows repeated on the same page: 3", doubled=3)),
        but_in=dict.fromkeys(
            [("new", "classes"), ("new", "demographics"), ("old", "demographics")],
            replace(_DOUBLED, requests=given_up_at_the_last_page),
        ),
    ),
    "filter-ignored": Row(COMPLETE),
    # full pulls filter nothing; deltas are tests/extract/test_delta.py's
    "nothing-left-empty": Row(COMPLETE),
    "nothing-left-empty-total": Row(COMPLETE),
    "nothing-left-204": Row(COMPLETE),
    "nothing-left-404": Row(COMPLETE),
    "other-envelopes": Row(COMPLETE),
    "bare-list": Row(COMPLETE),
    "missing-envelope": _only("users", _refused("envelope_missing", 1)),
    "status-block": Row(COMPLETE),
}  # fmt: skip

RECORDS = dict.fromkeys(
    (
        "empty-orgs", "empty-users", "school-scope", "accounts-only", "accounts-lost", "no-tombstones",
        "half-the-tombstones", "record-per-school", "odd-ids", "relative-hrefs", "status-empty", "status-inactive",
        "status-mixed-case",
        "json-booleans", "nulls-for-absent", "missing-optional", "numbers-for-text", "numbers-with-point",
        "tokens-capitalized", "roles-at-primary-org", "registration-entries", "scalar-for-list", "ext-values",
        "administrator-role", "naive-dates", "offset-dates", "dates-local-midnight",
        "dates-utc-midnight", "passwords", "empty-usernames", "email-null-text",
        "race-flags-when-true", "schools-are-departments", "district-is-local", "staff-without-identifier",
        "unknown-members",
    ),
    Row(COMPLETE),
) | {
    # the service is looked for at /orgs, and without orgs there is no roster
    "orgs-not-shared": Row(_refused("permission_refused", 0)),
} | {
    # a 403 without a word may be about the token that opened the others: it is renewed once
    f"{collection.replace('_', '-')}-not-shared": replace(
        _only(collection, _refused("permission_refused", 2)), tokens=2
    )
    for collection in _ALL if collection != "orgs"
}  # fmt: skip

FLAWS = {
    "record-not-an-object": _only("users", replace(COMPLETE, unreadable=(("not_an_object", "", False),))),
    "bad-field-type": _only("users", replace(COMPLETE, unreadable=(("wrong_type", "givenName", True),))),
    "missing-required": Row(COMPLETE),  # it can be read; that it is rejected is for validate to say
    "nul-in-text": Row(COMPLETE),
    "control-in-name": Row(COMPLETE),
    "lone-surrogate": Row(COMPLETE),
    "nan-in-metadata": _only("users", replace(COMPLETE, unreadable=(("not_json", "metadata", True),))),
    "deep-metadata": _only("users", replace(COMPLETE, unreadable=(("nested_too_deeply", "metadata", True),))),
    "million-digits": _only("users", replace(COMPLETE, unreadable=(("number_out_of_range", "identifier", True),))),
    "long-identifier": Row(COMPLETE),  # it can be read; that it is rejected is for validate to say
    "nul-in-id": _only("users", replace(COMPLETE, unreadable=(("sourced_id_unusable", "sourcedId", True),))),
}

FAULTS = {
    "http-500": _passes(2),
    "http-502": _passes(2),
    "http-503": _passes(2),
    "http-504": _passes(2),
    "http-503-always": _stays("provider_failing"),
    "http-503-past-page-one": Row(
        replace(_refused("provider_failing", 1 + 6), in_vain=6),
        but=_each(_ON_ONE_PAGE, replace(COMPLETE, says="the request after the total was refused")),
        begins_later=True,
    ),
    # all collections wait together, so that the test does not wait for each of them
    "http-429-seconds": _passes(2, districts=("big",), page_size=20_000, served=20_000, at_the_same_time=True),
    "http-429-date": _passes(2, districts=("big",), page_size=20_000, served=20_000, at_the_same_time=True),
    "http-429-bare": _passes(2),
    # orgs were open when the service was looked for, so that a new token is tried there
    "firewall-page": Row(
        _refused("blocked_by_firewall", 1),
        but={"orgs": _refused("blocked_by_firewall", 2)},
        tokens=2,
        begins_later=True,
    ),
    "html-200-once": _passes(1),
    "html-200-always": _stays("html_answer"),
    "truncated-json-once": _passes(1),
    "latin-1": Row(COMPLETE),
    "drop-once": _passes(1),
    "drop-always": _stays("answer_cut_off"),
    "slow-answers": _passes(0, at_the_same_time=True),
    "hang-once": _passes(1, districts=("hung",), at_the_same_time=True, timeout=1.5, lingers=True),
    "heavy-pages-100": _passes(2, page_size=200, served=100),
    "heavy-pages-1000": _passes(2, page_size=2000, served=1000),
}

ACCESS = {
    "token-expires-mid-pull": Row(replace(COMPLETE, requests=None), tokens=None),
    "token-403-mid-pull": Row(replace(COMPLETE, requests=None), tokens=None),
    # whose requests are used up by other threads nobody can tell from what is not shared
    "token-403-without-a-word": Row(replace(COMPLETE, requests=None), districts=("old",), tokens=None),
    "unknown-scopes-refused": Row(COMPLETE),
    "sha1-only": Row(COMPLETE, districts=("signed",), tokens=0, signature="HMAC-SHA1"),
    "token-redirects": Row(COMPLETE, tokens=2),
    "token-redirects-away": Row(_refused("redirected", 0)),
    "token-wants-body": Row(COMPLETE, tokens=2),
    "token-wants-basic": Row(COMPLETE),
    "token-wants-scope": Row(COMPLETE),
    "token-at-base": Row(COMPLETE),
    "token-at-oauth": Row(COMPLETE),
    "cookies-required": Row(COMPLETE),
    "headers-required": Row(COMPLETE, tenant_headers=True),
    "clock-minutes-off": Row(COMPLETE, districts=("new", "old", "signed")),
    "expired-connection": Row(_refused("credentials_refused", 0), districts=("old", "signed"), tokens=2),
    "bare-errors": Row(COMPLETE),
    "orgs-only": Row(COMPLETE),
    "login-page-at-base": Row(COMPLETE),
    "service-at-base": Row(COMPLETE),
    "service-at-v1p1": Row(COMPLETE),
    "service-at-rostering-v1p1": Row(COMPLETE),
    "discovery": Row(COMPLETE),
    "discovery-other-name": Row(COMPLETE),
}


def _bounded(code: str, requests: int = 1, **more_of_the_row: object) -> Row:
    """A response that exceeds a bound: an error at once."""
    row = Row(_refused(code, requests), districts=("new",), begins_later=True, lingers=True, at_the_same_time=True)
    return replace(row, **more_of_the_row)  # type: ignore[arg-type]


HOSTILE = {
    "hostile-gzip-bomb": _bounded("response_too_large"),
    "hostile-deflate-bomb": _bounded("response_too_large"),
    "hostile-bomb-400": _bounded("response_too_large"),
    "hostile-bomb-302": _bounded("response_too_large"),
    "hostile-endless-body": _bounded("response_too_large", limits={"page_mb": 2}),
    "hostile-trickle": _bounded("response_too_slow", 6, limits={"page_seconds": 0.2}),
    "hostile-large-headers": _bounded("headers_too_large"),
    "hostile-many-headers": _bounded("headers_too_large"),
    # 20 pages of 25 rows, and one row too many; nothing is left for the other collections
    "hostile-endless-pages": _bounded(
        "too_many_rows", limits={"rows": 500}, but={"orgs": _refused("too_many_rows", 21)}, at_the_same_time=False
    ),
    "hostile-empty-lists": _bounded("response_too_complex", at_the_same_time=False),
    "hostile-redirect-away": _bounded("redirected"),
    "hostile-redirect-port": _bounded("redirect_unusable"),
    "hostile-redirect-ipv6": _bounded("redirect_unusable"),
    "hostile-redirect-user": _bounded("redirected"),
    "hostile-redirect-scheme": _bounded("redirect_unusable"),
    "hostile-totals": Row(EMPTY_PAGE),
}

QUIRKS: Mapping[str, Row] = PAGING | RECORDS | FLAWS | FAULTS | ACCESS | HOSTILE
"""The single switches."""

PROVIDERS: Mapping[str, Row] = {
    "campus-1.1": Row(COMPLETE, tokens=0),
    "campus-1.2": Row(COMPLETE),
    "ed-fi": Row(EMPTY_PAGE),
    "classlink": _passes(2, tokens=0),
    "classlink-proxy": _passes(2, tokens=0),
    "aeries": Row(COMPLETE),
    "powerschool": Row(COMPLETE),
    "skyward": Row(COMPLETE),
    "synergy": Row(COMPLETE, tokens=2),
    "blackbaud": Row(COMPLETE),
    "timeback": Row(COMPLETE),
    "rediker": Row(COMPLETE),
    "edsembli": Row(COMPLETE, tenant_headers=True),
    "uk-1.1": Row(COMPLETE),
    "oneroster-1.0": Row(COMPLETE),
}
"""Providers that stand for several switches."""
