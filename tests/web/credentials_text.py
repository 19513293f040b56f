"""What a sandbox district sends."""

from __future__ import annotations

from rollcall_sandbox.settings import SandboxDistrict, addresses


def sent_text(sandbox: str, app: str) -> str:
    """The lines of its screen.

    :param sandbox: the sandbox's address.
    """
    district = SandboxDistrict.named(app)
    where = addresses(district, frozenset())
    lines = {"Base URL": f"{sandbox}{where.base}", "Token URL": f"{sandbox}{where.token}?{where.token_query}"}
    lines |= {"Client ID": district.client_id, "Client Secret": district.client_secret}
    if district.auth == "oauth1":
        lines = {"OneRoster URL": lines["Base URL"], "Consumer Key": district.client_id}
        lines["Consumer Secret"] = district.client_secret
    return "\n".join(f"{label}: {value}" for label, value in lines.items())
