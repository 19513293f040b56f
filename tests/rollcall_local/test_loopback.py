"""A port in use is skipped, whichever address it is bound to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rollcall.errors import RollcallError
from rollcall_local import loopback
from rollcall_local.loopback import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """The first of two neighboring ports, one taken on loopback, one on all addresses."""
    with ExitStack() as sockets:
        for _ in range(20):
            first = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = int(first.getsockname()[1])
            try:
                sockets.enter_context(socket.create_server(("0.0.0.0", port + 1)))  # noqa: S104
            except (OSError, OverflowError):
                continue
            break
        yield port


def test_a_free_port_is_kept_and_a_taken_one_passed_over(taken: int) -> None:
    found = free_port(taken)
    assert found > taken + 1
    assert free_port(found) == found


def test_no_free_port_is_an_error_with_the_range(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_TRIES", 2)
    with pytest.raises(RollcallError, match=f"{taken} to {taken + 1}") as refused:
        free_port(taken)
    assert refused.value.code == "no_free_port"
