"""Writes each connection and look-up of a Python process, and of those it forks, into the file that a variable names.

Python imports a module of this name from PYTHONPATH by itself. libpq connects without Python: its sockets are seen from
outside.
"""

import os
import sys

_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_file = os.open(os.environ["ROLLCALL_WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        where = arguments[1:] if event == "socket.connect" else arguments[:2]
        os.write(_file, f"{event} {where!r}\n".encode())


sys.addaudithook(_hook)
