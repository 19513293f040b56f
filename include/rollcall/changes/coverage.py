"""How far people come on their way to an account: told by who is left out and why."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from rollcall.landing.mapping import LEFT_OUT_REASONS

_REASONS = list(LEFT_OUT_REASONS)
#: Who has a site but no username, and who has a username but no account.
_NO_USERNAME = ("no_username", "username_pattern", "username_collision")
_NO_ACCOUNT = ("same_person",)
_NO_SITE = tuple(reason for reason in _REASONS if reason not in (*_NO_USERNAME, *_NO_ACCOUNT))


def coverage(people: int, left_out: pa.Table) -> dict[str, int]:
    """How many people there are, and how many of them have a site, a username, an account.

    :param people: all of them; each has an account or is left out.
    :param left_out: those without an account, in `LEFT_OUT_SCHEMA`.
    """
    without_site, without_username, without_account = (
        pc.sum(pc.is_in(left_out["reason"], value_set=pa.array(reasons)), min_count=0).as_py()
        for reasons in (_NO_SITE, _NO_USERNAME, _NO_ACCOUNT)
    )
    with_site = people - without_site
    with_username = with_site - without_username
    return {
        "people": people,
        "with_site": with_site,
        "with_username": with_username,
        "with_account": with_username - without_account,
    }
