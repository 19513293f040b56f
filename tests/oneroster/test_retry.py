"""How patient a request is, without waiting."""

from include.oneroster import Retry


def waits(retry, retry_after=None):
    elapsed, made = 0.0, []
    while (seconds := retry.wait(len(made) + 1, elapsed, retry_after)) is not None:
        made.append(seconds)
        elapsed += seconds
    return made


def test_the_defaults_outlive_a_quota_per_minute_and_end():
    for _ in range(200):
        made = waits(Retry())
        assert 60 < sum(made) <= 300
        assert len(made) == 9


def test_each_wait_is_between_half_its_step_and_the_step():
    steps = [1, 2, 4, 8, 16, 30, 30, 30, 30]
    for seconds, step in zip(waits(Retry()), steps, strict=True):
        assert step / 2 <= seconds <= step


def test_threads_do_not_come_back_together():
    assert len({tuple(waits(Retry())) for _ in range(20)}) == 20


def test_retry_after_is_never_undercut_and_bounded_by_patience():
    made = waits(Retry(patience=100), retry_after=30)

    assert len(made) == 3
    assert all(30 <= seconds <= 31 for seconds in made)
    assert waits(Retry(), retry_after=3600) == []
    assert all(seconds <= 1 for seconds in waits(Retry(), retry_after=0))


def test_a_slow_provider_is_not_waited_for_longer_than_our_patience():
    assert Retry().wait(1, 299.9) is None
