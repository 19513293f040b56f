"""What all settings share: frozen, and unknown keys are errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings refuse unknown keys, so that a misspelt one is an error and not a silence."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no valid name is near."""
    near = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
