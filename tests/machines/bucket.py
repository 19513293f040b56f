"""An S3 on 127.0.0.1 whose writes can be held, so that a test finds a task in the middle of a stage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import requests
import s3fs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Bucket:
    """moto's server with one bucket, for the length of the `with` block."""

    NAME = "rosters"
    landing = f"{NAME}/landing"

    def __init__(self) -> None:
        self._application: Application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._changed = threading.Condition()
        self._held: dict[tuple[str, ...], int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop_held()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        host, port = self._server.server_address[:2]
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def create(self) -> None:
        """Create the bucket."""
        requests.put(f"{self.environment['AWS_ENDPOINT_URL']}/{self.NAME}", timeout=30).raise_for_status()

    def files(self) -> s3fs.S3FileSystem:
        """The objects, as this process sees them."""
        options = {"key": "test", "secret": "test", "endpoint_url": self.environment["AWS_ENDPOINT_URL"]}
        return s3fs.S3FileSystem(**options, use_listings_cache=False)

    def pulls(self, district: str) -> list[str]:
        """A district's pulls, oldest first."""
        return sorted(self.files().glob(f"{self.landing}/district={district}/pull=*"))

    def hold(self, *patterns: tuple[str, ...]) -> None:
        """Hold each write whose key contains all parts of a pattern."""
        with self._changed:
            self._held |= dict.fromkeys(patterns, 0)

    def all_waiting(self) -> bool:
        """Whether a write waits for each pattern."""
        with self._changed:
            return all(self._held.values())

    def drop_held(self) -> None:
        """Fail the waiting writes, whose senders are dead, and hold none from now on."""
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "PUT":
            return self._application(environ, start_response)
        with self._changed:
            key = environ["PATH_INFO"]
            pattern = next((parts for parts in self._held if all(part in key for part in parts)), None)
            if pattern is not None:
                self._held[pattern] += 1
                self._changed.wait_for(lambda: pattern not in self._held)
        if pattern is None:
            return self._application(environ, start_response)
        start_response("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]
