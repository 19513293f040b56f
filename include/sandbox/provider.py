"""One district's OneRoster provider, without HTTP: its roster, who may read it, its pages, its nights."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from include.sandbox.access import Access
from include.sandbox.encoded import EncodedRoster
from include.sandbox.generate import generate
from include.sandbox.nights import Night, pass_night
from include.sandbox.oauth2 import TokenRefused
from include.sandbox.pages import Pages, page_query, paging_headers
from include.sandbox.quirks import known
from include.sandbox.rendering import Renderer
from include.sandbox.resources import RESOURCES, Resource
from include.sandbox.seen import Gauge, Seen
from include.sandbox.settings import SandboxDistrict
from include.sandbox.status_info import Refused, status_info
from include.sandbox.truth import truth
from include.sandbox.v1p1 import V1p1Renderer
from include.sandbox.v1p2 import V1p2Renderer


@dataclass(slots=True)
class Reply:
    """An HTTP answer in JSON."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Provider:
    """A district as its clients meet it. Nights and quirks may come from another thread than the server's.

    :param origin: scheme, host and port at which it is served, for the hrefs in its records.
    :param host: the gauge of open requests shared with the sandbox's other districts.
    """

    def __init__(self, settings: SandboxDistrict, origin: str, host: Gauge) -> None:
        self.settings = settings
        self.seen = Seen(host)
        self._lock = threading.Lock()
        self._access = Access(settings)
        self._roster = generate(settings)
        self._nights = 0
        self._last_night: Night | None = None
        for _ in range(settings.nights):
            self._pass_one()
        renderer = V1p2Renderer if settings.version == "1.2" else V1p1Renderer
        self._renderer: Renderer = renderer(self._roster, origin + settings.resource_path)
        self._records = EncodedRoster(self._renderer)
        self.set_quirks(settings.quirks)

    @property
    def quirks(self) -> frozenset[str]:
        return self._quirks

    def set_quirks(self, names: Iterable[str]) -> None:
        """Replace the quirks by these.

        :raises RollcallError: `sandbox_quirk`, for an unknown one.
        """
        quirks = known(names)
        with self._lock:
            self._quirks = quirks
            self._pages = Pages(self._records, quirks)

    def pass_nights(self, count: int = 1) -> None:
        """Let nights pass; what a client has read until then is yesterday's."""
        with self._lock:
            for _ in range(count):
                self._records.refresh(self._pass_one())
            self._pages = Pages(self._records, self._quirks)

    def _pass_one(self) -> Night:
        self._nights += 1
        self._last_night = pass_night(self._roster, self.settings, self._nights)
        return self._last_night

    def truth(self) -> dict[str, Any]:
        """Counts of what there is, and what the last night did; see :func:`include.sandbox.truth.truth`."""
        with self._lock:
            about = {"app": self.settings.app, "version": self.settings.version, "name": self.settings.name}
            return about | truth(self._records, self._renderer, self._nights, self._last_night)

    def collection(self, name: str, url: str, query_string: str, authorization: str) -> Reply:
        """Answer `GET /{name}`."""
        with self._lock:
            try:
                self._check(RESOURCES[name], url, query_string, authorization)
                query = page_query(query_string)
                page = self._pages.page(name, query)
            except Refused as refused:
                return self._refusal(refused)
            return Reply(200, page.body, paging_headers(page, query, url))

    def single(self, name: str, sourced_id: str, url: str, query_string: str, authorization: str) -> Reply:
        """Answer `GET /{name}/{sourcedId}`."""
        resource = RESOURCES[name]
        with self._lock:
            try:
                self._check(resource, url, query_string, authorization)
                record = self._records.one(resource, sourced_id)
                if record is None:
                    raise Refused(404, "unknownobject", f"There is no {resource.single} with this sourcedId.")
            except Refused as refused:
                return self._refusal(refused)
            return Reply(200, b'{"' + resource.single.encode() + b'":' + record.body + b"}")

    def token(self, form: dict[str, str], authorization: str) -> Reply:
        """Answer a token request; its errors are in OAuth's form, not in OneRoster's."""
        with self._lock:
            try:
                granted = self._access.tokens.grant(form, authorization, self._quirks)
            except TokenRefused as refused:
                return token_refusal(refused)
        return Reply(200, msgspec.json.encode(granted), {"Cache-Control": "no-store"})

    def _check(self, resource: Resource, url: str, query_string: str, authorization: str) -> None:
        whole = f"{url}?{query_string}" if query_string else url
        self._access.check(resource.collection, "GET", whole, authorization)

    def _refusal(self, refused: Refused) -> Reply:
        scheme = "OAuth" if self.settings.auth == "oauth1" else "Bearer"
        headers = {"WWW-Authenticate": f'{scheme} realm="{self.settings.app}"'} if refused.status == 401 else {}
        return Reply(refused.status, msgspec.json.encode(status_info(self.settings.version, refused)), headers)


def token_refusal(refused: TokenRefused) -> Reply:
    """A refused token request, RFC 6749 section 5.2."""
    headers = {"WWW-Authenticate": 'Basic realm="token"'} if refused.status == 401 else {}
    body = msgspec.json.encode({"error": refused.error, "error_description": refused.description})
    return Reply(refused.status, body, headers)
