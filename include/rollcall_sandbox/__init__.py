"""The sandbox: districts to try Rollcall on, served as OneRoster providers over HTTP on loopback, with made-up people.

It shares no code with the client it tests, follows Infinite Campus's URL shapes, and is the same for the same seed.
"""

from rollcall_sandbox.quirks import QUIRKS
from rollcall_sandbox.server import Sandbox
from rollcall_sandbox.settings import DEMO_DISTRICTS, SandboxDistrict

__all__ = ["DEMO_DISTRICTS", "QUIRKS", "Sandbox", "SandboxDistrict"]
