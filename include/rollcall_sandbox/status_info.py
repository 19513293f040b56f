"""Failures in each version's payload: the flat `imsx_StatusInfo` of 1.2, that of 1.1 with its message reference."""

from __future__ import annotations

import uuid
from typing import Any


class Refused(Exception):
    """A request the provider refuses.

    :param status: the HTTP status.
    :param code_minor: OneRoster's word for it, such as `invalid_filter_field`.
    """

    def __init__(self, status: int, code_minor: str, description: str) -> None:
        self.status = status
        self.code_minor = code_minor
        self.description = description
        super().__init__(description)


def status_info(version: str, refused: Refused, *, bare: bool = False) -> dict[str, Any]:
    """The payload of a failure, reference sections 4.2 (1.2) and 4.3 shape A (1.1).

    :param bare: leave out what happened.
    """
    if bare:
        return {"imsx_codeMajor": "failure"}
    field = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": refused.code_minor}
    payload: dict[str, Any] = {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": refused.description,
        "imsx_CodeMinor": {"imsx_codeMinorField": [field]},
    }
    if version == "1.1":
        payload["imsx_messageRefIdentifier"] = str(uuid.uuid4())
    return payload
