"""The vendor's sites and which school belongs to which."""

from __future__ import annotations

from include.settings.base import Settings, nearest


class Sites(Settings, frozen=True):
    """The vendor's sites and which school belongs to which; a school not in `map` is undecided and left out.

    :param targets: site id to name, or a plain list of names that are their own ids.
    :param query: in place of `targets`, SQL on the warehouse that yields site ids and, in a second column, names.
    :param map: an org's sourcedId to a site id, or `leave_out`.
    """

    targets: dict[str, str] | list[str] = []
    query: str = ""
    map: dict[str, str] = {}

    def __post_init__(self) -> None:
        if bool(self.query) == bool(self.targets):
            raise ValueError("give either targets, the vendor's sites, or a query that yields them")
        for org, site in self.map.items():
            if site != "leave_out" and not self.query and site not in self.names():
                near = nearest(site, [*self.names(), "leave_out"])
                raise ValueError(f"school {org!r} is mapped to {site!r}, which is none of the targets{near}")

    def names(self) -> dict[str, str]:
        """Site id to name."""
        return self.targets if isinstance(self.targets, dict) else {name: name for name in self.targets}
