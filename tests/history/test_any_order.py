"""History does not depend on the order in which nights are written."""

from __future__ import annotations

import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from rollcall.model.tables import TABLES
from rollcall.warehouse.schemas import HISTORY
from tests.conftest import examples


def _differences(one, other):
    return {name: (set(one[name]) ^ set(other[name])) for name in one if one[name] != other[name]}


def test_nights_published_one_by_one_have_the_history_a_replay_gives(nights, seven, replayed, whole_history):
    for night in seven:
        nights.publish(**night)
    published = whole_history()
    assert len(published["users"]) > 7
    for number in (4, 7, 1, 6, 3, 2, 5):
        replayed(number)
        assert _differences(whole_history(), published) == {}


@examples(2)
@given(order=st.permutations(range(1, 8)))
@example(order=[1, 2, 3, 4, 5, 6, 7])
@example(order=[7, 6, 5, 4, 3, 2, 1])
def test_seven_nights_back_filled_in_any_order_give_the_same_history(nights, seven, replayed, whole_history, order):
    if not nights.count:
        for night in seven:
            nights.prepare(**night)
        nights.expected = None
    for number in order:
        replayed(number)
    written = whole_history()
    nights.expected = nights.expected or written
    assert _differences(written, nights.expected) == {}
    with nights.engine.begin() as connection:
        for name in TABLES:
            connection.execute(sa.text(f"TRUNCATE {HISTORY}.{name}"))
