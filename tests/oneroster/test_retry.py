"""How patient a request is, without waiting."""

import pytest

from rollcall.oneroster import Retry


def waits(retry, retry_after=None, answering=0.0):
    """All waits until it is given up, where each attempt takes `answering` seconds."""
    elapsed, made = answering, []
    while (seconds := retry.wait(len(made) + 1, elapsed, retry_after)) is not None:
        made.append(seconds)
        elapsed += seconds + answering
    return made


@pytest.mark.parametrize("answering", [0.0, 1.0, 120.0])
def test_the_defaults_outlive_five_minutes_however_the_dice_fall_and_end(answering):
    for _ in range(200):
        made = waits(Retry(), answering=answering)
        assert 330 <= sum(made) + answering * (len(made) + 1) < 330 + 60 + answering
        assert len(made) < 60


def test_each_wait_is_between_nothing_and_its_step():
    steps = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    made = [waits(Retry()) for _ in range(200)]
    for place, step in enumerate(steps):
        seconds = [one[place] for one in made if len(one) > place]
        assert max(seconds) <= step
        assert min(seconds) < step / 4
        assert max(seconds) > step * 3 / 4


def test_threads_do_not_come_back_together():
    assert len({tuple(waits(Retry())) for _ in range(20)}) == 20


def test_retry_after_is_never_undercut_and_bounded_by_patience():
    made = waits(Retry(patience=100), retry_after=30)

    assert len(made) == 3
    assert all(30 <= seconds <= 31 for seconds in made)
    assert waits(Retry(), retry_after=3600) == []
    assert all(seconds <= 1 for seconds in waits(Retry(attempts=9), retry_after=0))


def test_no_attempt_is_begun_after_patience_or_beyond_the_attempts():
    assert Retry().wait(1, 329.9) is not None
    assert Retry().wait(1, 330.0) is None
    assert Retry(attempts=3).wait(3, 0.0) is None
