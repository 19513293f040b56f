"""The machine's own address: free TCP ports on it, and HTTP to it."""

from __future__ import annotations

import socket
from contextlib import closing

import requests

from include.errors import RollcallError

LOOPBACK = "127.0.0.1"
_TRIES = 50


def free_port(wished: int) -> int:
    """`wished`, or the first free port above it. Whoever asks has to use it at once: nothing reserves it.

    :raises RollcallError: `no_free_port` if the next fifty are taken too.
    """
    for port in range(wished, wished + _TRIES):
        if _is_free(port):
            return port
    raise RollcallError(
        "no_free_port",
        f"The ports {wished} to {wished + _TRIES - 1} of {LOOPBACK} are all taken.",
        remedy="Stop what uses one of them.",
    )


def loopback_session() -> requests.Session:
    """For requests to what runs here; a proxy named in the environment is not for them."""
    session = requests.Session()
    session.trust_env = False
    return session


def _is_free(port: int) -> bool:
    """Nobody listens there on loopback, and neither on all addresses: both would answer in our place."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 - looked at, never listened on
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
