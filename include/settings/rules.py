"""A district's own view of how grave it is when a rule is broken."""

from __future__ import annotations

from typing import Literal

from include.settings.base import Settings


class RuleChange(Settings, frozen=True):
    """A rule raised or lowered for one district.

    :param because: why; a sentence somebody else understands next year.
    """

    severity: Literal["critical", "warning", "info"]
    because: str

    def __post_init__(self) -> None:
        if not self.because.strip():
            raise ValueError("because must say why")
