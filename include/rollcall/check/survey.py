"""The steps after a connection works: collections, the longest page, the filter, schools, and the district."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from urllib.parse import quote

from rollcall.check.diagnosis import Explainer
from rollcall.check.profile import Org, ProviderProfile
from rollcall.check.requests import CheckSession, Peek
from rollcall.check.steps import Diagnosis, School, StepResult
from rollcall.oneroster.client import FilterSupport
from rollcall.oneroster.connection import Version
from rollcall.oneroster.errors import (
    EndpointNotFound,
    OneRosterError,
    PagingBroken,
    ProviderUnavailable,
    RequestRefused,
)
from rollcall.oneroster.records import OrgSummary as FoundOrg
from rollcall.oneroster.records import district_org

#: Counting the people of a school takes two requests, so only a few schools are counted.
_FEW_SCHOOLS = 12

#: What a provider does with the delta filter, if it does not support it.
_FILTER_PROBLEMS: Mapping[FilterSupport, str] = {
    "ignored": "The provider ignores dateLastModified: it returned records for a date in the far future.",
    "refused": "The provider refuses the dateLastModified filter.",
    "unanswered": "The provider answered the dateLastModified filter without a list and without a total. Either "
    "nothing changed, or it does not support the filter.",
}

#: Schools named in one line.
_MAX_NAMED_SCHOOLS = 6


class Survey:
    """Inspects the provider step by step, for its profile.

    :param page_size: rows per page that pulls request.
    :param pinned: the org the connection belonged to when it first passed.
    :param count_people: count students and teachers per school.
    """

    def __init__(
        self,
        session: CheckSession,
        explain: Explainer,
        district: str,
        *,
        page_size: int,
        pinned: Org | None,
        count_people: bool,
    ) -> None:
        self._session = session
        self._page_size = page_size
        self._explain = explain
        self._district = district
        self._pinned = pinned
        self._count_people = count_people
        self._peeks: dict[str, Peek] = {}
        self._orgs: list[FoundOrg] = []
        self._demographics: bool | None = None
        self._page_cap: int | None = None
        self._largest_limit: int | None = None
        self._filter_obeyed: bool | None = None
        self._deleted_seen = False
        self._org: Org | None = None
        self.schools: tuple[School, ...] = ()

    @property
    def rows(self) -> Mapping[str, int | None]:
        """The provider's total per collection; None if it sends no totals."""
        return {name: peek.total if peek.rows else 0 for name, peek in self._peeks.items()}

    def profile(self, version: Version, base_url: str) -> ProviderProfile:
        """What was learned."""
        full = [peek for peek in self._peeks.values() if peek.rows]
        return ProviderProfile(
            version=version,
            base_url=base_url,
            page_cap=self._page_cap,
            largest_limit=self._largest_limit,
            totals=any(peek.total is not None for peek in full) if full else None,
            links=any(peek.links for peek in full) if full else None,
            filter_obeyed=self._filter_obeyed,
            tombstones=self._deleted_seen or None,
            demographics=self._demographics,
            envelopes={name: peek.envelope for name, peek in self._peeks.items() if peek.rows},
            schools={school.sourced_id: school.name for school in self.schools},
            district_org=self._org,
        )

    def collection(self, name: str) -> StepResult:
        """One record of a collection."""
        try:
            peek = self._peek(name)
        except ProviderUnavailable:
            raise
        except OneRosterError as error:
            if name == "demographics":
                self._demographics = False
            return self._explain.no_collection(error, name)
        if name == "demographics":
            self._demographics = True
        self._peeks[name] = peek
        if not peek.rows:
            return StepResult(diagnoses=(Diagnosis("no_orgs"),)) if name == "orgs" else StepResult("empty")
        count = f"{peek.total:,} records" if peek.total is not None else "records (no total from the provider)"
        where = f"in `{peek.envelope}`" if peek.envelope else "in a bare list"
        links = ", with links to the next page" if peek.links else ""
        at_once = f"; returned {peek.rows:,} for a limit of 1" if peek.rows > 1 else ""
        return StepResult(f"{count}, {where}{links}{at_once}")

    def demographics_without_scope(self) -> StepResult:
        """The Token URL grants no access to demographics."""
        self._demographics = False
        return self._explain.no_demographics("the token has no scope for them")

    def page_size(self) -> StepResult:
        """Paging, tried on the longest collection: the page size, and whether `offset` works."""
        name = max(self._peeks, key=self._length, default="")
        if not name or not self._peeks[name].rows:
            return StepResult("nothing to read", "skipped")
        asked = self._page_size
        try:
            page = self._session.longest_page(name, asked)
        except ProviderUnavailable as error:
            remedy = "Pulls retry with half the page size. Set a smaller page_size to avoid the first failure."
            return StepResult(f"A page of {asked:,} records seems too large. {error.message}", "warning", remedy)
        self._deleted_seen = self._deleted_seen or page.deleted
        self._largest_limit = self._session.largest_limit or 0
        if self._ignores_offset(name, page):
            fits = page.total is not None and page.total <= page.rows
            values = {"what": name.replace("_", " "), "rows": f"{page.rows:,}"}
            return StepResult(diagnoses=(Diagnosis("offset_ignored_so_far" if fits else "offset_ignored", values),))
        if self._largest_limit:
            limit = self._largest_limit
            self._page_cap = limit if page.rows >= limit else None
            return StepResult(f"{limit:,} records per page; the provider refuses {asked:,}")
        if page.rows >= asked:
            self._page_cap = asked
            return StepResult(f"{asked:,} records per page, as requested")
        if not self._goes_on(name, page):
            return StepResult(
                f"limit not reached: the largest collection, {name.replace('_', ' ')}, has one page of {page.rows:,}"
            )
        self._page_cap = page.rows
        return StepResult(f"{page.rows:,} records per page; {asked:,} requested")

    def delta_filter(self) -> StepResult:
        """Whether the provider filters modified records and marks deleted ones."""
        name = "users" if self._has("users") else "orgs"
        if not self._has(name):
            return StepResult("nothing to filter", "skipped")
        answer = self._session.filter_support(name)
        self._filter_obeyed = answer == "obeyed"
        if answer == "obeyed":
            return StepResult(f"supported; {self._on_deleted()}")
        return StepResult(
            _FILTER_PROBLEMS[answer],
            "warning",
            "No data is lost: every pull is a full pull. Ask the provider's support for the filter.",
        )

    def find_schools(self) -> StepResult:
        """The schools, and whether they have people."""
        if not self._has("orgs"):
            return StepResult("no orgs", "skipped")
        try:
            self._orgs = self._session.orgs()
        except PagingBroken:
            return StepResult("not read: paging does not work", "skipped")
        schools = [org for org in self._orgs if org.type == "school"]
        if not schools:
            remedy = "We treat each org with people as a school. Check the org types with the district."
            return StepResult(f"0 of {len(self._orgs)} orgs have the type school.", "warning", remedy)
        self.schools = self._counted(sorted(schools, key=lambda org: org.name or ""))
        number = f"{len(schools)} school{'s' * (len(schools) > 1)}"
        if "users" in self._peeks and not self._has("users"):
            return StepResult(diagnoses=(Diagnosis("no_people", {"schools": number}),))
        names = [_with_people(school) for school in self.schools[:_MAX_NAMED_SCHOOLS]]
        more = f" and {len(schools) - _MAX_NAMED_SCHOOLS} more" if len(schools) > _MAX_NAMED_SCHOOLS else ""
        return StepResult(f"{number}: {', '.join(names)}{more}")

    def find_district(self) -> StepResult:
        """The district of the connection, and whether it is the pinned one."""
        found = district_org(self._orgs, self._pinned.sourced_id if self._pinned else None)
        if found is None:
            return StepResult("unknown without orgs", "skipped")
        self._org = Org(found.sourced_id, found.name or "")
        if self._pinned is None:
            return StepResult(str(self._org))
        if self._pinned.sourced_id == self._org.sourced_id:
            return StepResult(f"{self._org}, as before")
        values = {"now": self._org, "pinned": self._pinned, "title": self._explain.title, "district": self._district}
        return StepResult(diagnoses=(Diagnosis("another_district", values),))

    def _peek(self, name: str, *, limit: int = 1, offset: int = 0, filter: str | None = None) -> Peek:
        peek = self._session.peek(name, limit=limit, offset=offset, filter=filter)
        self._deleted_seen = self._deleted_seen or peek.deleted
        return peek

    def _has(self, name: str) -> bool:
        return name in self._peeks and self._peeks[name].rows > 0

    def _length(self, name: str) -> tuple[int, bool]:
        """The length of a collection. Without totals, enrollments are the longest."""
        peek = self._peeks[name]
        return (peek.total if peek.total is not None else peek.rows, name == "enrollments")

    def _ignores_offset(self, name: str, page: Peek) -> bool:
        """Whether a page begins with the same record at every offset."""
        if len(set(page.ids)) < 2:
            return False
        return all(self._first_at(name, offset) == page.ids[0] != page.ids[offset] for offset in (1, len(page.ids) - 1))

    def _first_at(self, name: str, offset: int) -> str:
        try:
            ids = self._peek(name, offset=offset).ids
        except (EndpointNotFound, RequestRefused):
            return ""
        return ids[0] if ids else ""

    def _goes_on(self, name: str, page: Peek) -> bool:
        if page.total is not None:
            return page.total > page.rows
        return bool(self._first_at(name, page.rows))

    def _on_deleted(self) -> str:
        name = "enrollments" if self._has("enrollments") else "users"
        if not self._deleted_seen and self._has(name):
            try:
                self._peek(name, filter="status='tobedeleted'")
            except ProviderUnavailable:
                raise
            except OneRosterError:
                return "deleted records cannot be requested"
        return "deleted records are marked" if self._deleted_seen else "0 deleted records found"

    def _counted(self, schools: list[FoundOrg]) -> tuple[School, ...]:
        plain = tuple(School(org.sourced_id, org.name or org.sourced_id) for org in schools)
        counts = self._has("users") and self._peeks["users"].total is not None
        counts = counts and self._session.has_scope("roster.readonly")  # which lists below a school need
        if not self._count_people or not counts or len(schools) > _FEW_SCHOOLS:
            return plain
        try:
            return tuple(
                dataclasses.replace(
                    school, students=self._people(school, "students"), teachers=self._people(school, "teachers")
                )
                for school in plain
            )
        except OneRosterError:  # not every provider has lists per school, and the counts are optional
            return plain

    def _people(self, school: School, kind: str) -> int | None:
        return self._session.peek("users", path=f"schools/{quote(school.sourced_id, safe='')}/{kind}").total


def _with_people(school: School) -> str:
    if school.students is None or school.teachers is None:
        return school.name
    return f"{school.name} ({school.students:,} students, {school.teachers:,} teachers)"
