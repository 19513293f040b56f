"""Serves sandbox districts on loopback, in a thread of the test, demo, or command that starts it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import uvicorn

from rollcall.errors import RollcallError
from rollcall_sandbox.application import application
from rollcall_sandbox.credentials import as_text
from rollcall_sandbox.provider import Clock, Provider, present_time
from rollcall_sandbox.settings import SandboxDistrict
from rollcall_sandbox.truth import Gauge

_HOST = "127.0.0.1"
_SECONDS_TO_START = 30.0


class Sandbox:
    """Districts served over HTTP between `__enter__` and `__exit__`.

    :param port: 0 takes any free port; `port` then tells which.
    :param clock: when nights pass; a test may bring its own.
    :raises RollcallError: `sandbox_port` on entering, if the port is taken; `sandbox_setting` for two districts of one
        app.
    """

    def __init__(self, districts: Iterable[SandboxDistrict], port: int = 0, clock: Clock = present_time) -> None:
        self.districts = tuple(districts)
        if len({district.app for district in self.districts}) < len(self.districts):
            raise RollcallError("sandbox_setting", "Two sandbox districts have the same app.", remedy="Rename one.")
        self.port = port
        self._clock = clock
        self._providers: dict[str, Provider] = {}
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:
        listener = _listen(self.port)
        self.port = listener.getsockname()[1]
        self.start_over()
        config = uvicorn.Config(
            application(self._providers, self.origin),
            access_log=False,
            log_config=None,
            log_level="critical",  # an answer cut in half on purpose is no error
            date_header=False,  # each provider has a clock of its own
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RollcallError("sandbox_start", "The sandbox's server did not start.", remedy="Start it again.")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()

    def start_over(self) -> None:
        """Replace every district by its first day, without quirks and without counted requests."""
        host = Gauge()
        self._providers.update(
            {district.app: Provider(district, self.origin, host, self._clock) for district in self.districts}
        )

    @property
    def origin(self) -> str:
        """Where it is served, without a path; a page there says what it serves."""
        return f"http://{_HOST}:{self.port}"

    def base_url(self, app: str) -> str:
        """The Base URL (for OAuth 1: the OneRoster URL) as the district would send it."""
        return self._providers[app].base_url

    def handed_over(self, app: str) -> str:
        """What the district would send to a vendor."""
        return as_text(self._providers[app])

    def token_url(self, app: str) -> str:
        """The Token URL, with its `appName`."""
        return self._providers[app].token_url

    def pass_night(self, app: str, nights: int = 1) -> None:
        """Let nights pass in a district."""
        self._providers[app].pass_nights(nights)

    def truth(self, app: str) -> dict[str, Any]:
        """What there is in a district, and what its last night did."""
        return self._providers[app].truth()

    def seen(self, app: str) -> dict[str, Any]:
        """What requests a district's provider has seen."""
        return self._providers[app].log.summary()

    def forget_requests(self, app: str) -> None:
        """Reset a district's request counts."""
        self._providers[app].log.reset()

    def set_quirks(self, app: str, names: Iterable[str]) -> None:
        """Replace a district's quirks."""
        self._providers[app].set_quirks(names)


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback, so that the port is ours before anything is built for it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()
    except OSError as exc:
        listener.close()
        raise RollcallError(
            "sandbox_port",
            f"Port {port} of {_HOST} cannot be used: {exc.strerror}.",
            remedy="End the program that has it, or choose another with --port (0 takes any free one).",
        ) from None
    return listener
