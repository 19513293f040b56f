"""The vocabularies as the suites name them; :mod:`rollcall.model.vocabularies` holds their tokens."""

from __future__ import annotations

from rollcall.model.vocabularies import (
    CLASS_TYPES,
    ENROLLMENT_ROLES,
    ORG_TYPES,
    RELATIVES,
    ROLE_TYPES,
    SESSION_TYPES,
    SEXES,
    STATUS,
    USER_ROLES,
)

__all__ = [
    "CLASS_TYPES",
    "ENROLLMENT_ROLES",
    "ORG_TYPES",
    "RELATIVES",
    "ROLE_TYPES",
    "SESSION_TYPES",
    "SEXES",
    "STATUS",
    "USER_ROLES",
]
