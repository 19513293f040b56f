"""A server that sends exactly the bytes a test gives it, for responses that no HTTP library would write."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator

#: The pieces of a response, given the request's path. They may never end.
Respond = Callable[[str], Iterable[bytes]]


class RawServer:
    """Serves in threads until it is closed. One request per connection."""

    def __init__(self, respond: Respond) -> None:
        self.requests: list[str] = []
        self.bytes_sent = 0
        self._respond = respond
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                if not (part := connection.recv(65536)):
                    return
                request += part
            path = request.split(b" ")[1].decode()
            self.requests.append(path)
            for piece in self._respond(path):
                if self._closed.is_set():
                    return
                connection.sendall(piece)
                self.bytes_sent += len(piece)


def response(body: bytes, *headers: str, status: int = 200) -> Iterator[bytes]:
    """A correct response."""
    lines = "".join(f"{header}\r\n" for header in headers)
    yield f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    yield body
