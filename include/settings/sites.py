"""The vendor's sites and which school belongs to which."""

from __future__ import annotations

from include.settings.base import Settings, nearest

#: What a school can be mapped to beside a site: no account for its people, or nobody has decided yet.
LEAVE_OUT = "leave_out"
UNDECIDED = "undecided"


class Sites(Settings, frozen=True):
    """The vendor's sites and which school belongs to which; a school not in `map` is undecided and left out.

    :param targets: site id to name, or a plain list of names that are their own ids.
    :param query: in place of `targets`, SQL on the warehouse that yields site ids and, in a second column, names.
    :param map: an org's sourcedId to a site id, or `leave_out`, or `undecided` in so many words.
    """

    targets: dict[str, str] | list[str] = []
    query: str = ""
    map: dict[str, str] = {}

    def __post_init__(self) -> None:
        if bool(self.query) == bool(self.targets):
            raise ValueError("give either targets, the vendor's sites, or a query that yields them")
        if self.query:
            return
        if taken := {LEAVE_OUT, UNDECIDED} & set(self.names()):
            raise ValueError(f"no target can have the id {', '.join(sorted(taken))}: it has a meaning of its own")
        for org, site in self.unknown().items():
            near = nearest(site, [*self.names(), LEAVE_OUT])
            raise ValueError(f"school {org!r} is mapped to {site!r}, which is none of the targets{near}")

    def names(self) -> dict[str, str]:
        """Site id to name; empty for a query, whose answer only the warehouse knows."""
        return self.targets if isinstance(self.targets, dict) else {name: name for name in self.targets}

    def unknown(self, names: dict[str, str] | None = None) -> dict[str, str]:
        """Which orgs are mapped to a site that is none of the targets, and to which.

        :param names: what a query answered, in place of :meth:`names`.
        """
        valid = self.names() if names is None else names
        return {org: site for org, site in self.map.items() if site not in valid and site not in (LEAVE_OUT, UNDECIDED)}
