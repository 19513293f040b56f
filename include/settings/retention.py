"""How long what is kept."""

from __future__ import annotations

from include.settings.base import Settings


class Retention(Settings, frozen=True):
    """Days after which things are deleted for good.

    :param landing_days: pulls in the landing zone; a night can be replayed for so long.
    :param rejects_days: refused records.
    :param removed_days: rows of people and classes that were removed from the roster.
    :param history_days: history that ended before.
    """

    landing_days: int = 35
    rejects_days: int = 35
    removed_days: int = 400
    history_days: int = 800

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
