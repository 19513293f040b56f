"""A TCP port in front of a server, and what can go wrong on the way: cut, reset, or stalled after any byte."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65_536


class Link:
    """Forwards each connection to a server. One fault at a time can wait for its byte.

    :param target: opens a connection to the server; raises OSError while the server is down.
    """

    def __init__(self, target: Callable[[], socket.socket]) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._passed = 0
        self._fault: tuple[int, Callable[[], None]] | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def passed(self) -> int:
        """Bytes forwarded in both directions since :meth:`count_again`."""
        return self._passed

    def count_again(self) -> None:
        with self._lock:
            self._passed, self._fault = 0, None

    def arm(self, after: int, fault: Callable[[], None]) -> None:
        """Run `fault` once, between the bytes `after` and `after + 1` counted from now."""
        with self._lock:
            self._passed, self._fault = 0, (after, fault)

    @property
    def is_armed(self) -> bool:
        """Whether the fault still waits for its byte."""
        return self._fault is not None

    def stall(self) -> None:
        """Forward nothing until :meth:`flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def cut(self, *, reset: bool = False) -> None:
        """End every open connection, with RST instead of FIN where `reset`."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            with suppress(OSError):
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads it and would keep it open
                    connection.close()
                else:
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.flow()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self._target()
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                for part, fault in self._split(data):
                    self._flowing.wait()
                    sink.sendall(part)
                    if fault is not None:
                        fault()
            sink.shutdown(socket.SHUT_WR)
            return
        # a lost connection is lost on both sides
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _split(self, data: bytes) -> list[tuple[bytes, Callable[[], None] | None]]:
        """The data, cut at the byte the fault waits for."""
        with self._lock:
            before, self._passed = self._passed, self._passed + len(data)
            if self._fault is None or self._passed < self._fault[0]:
                return [(data, None)]
            (after, fault), self._fault = self._fault, None
        at = max(0, after - before)
        return [(data[:at], fault), (data[at:], None)]
