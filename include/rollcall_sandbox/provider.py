"""One district's OneRoster provider, without HTTP: its roster, who may read it, its pages, its nights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from rollcall_sandbox.auth import COOKIE, Access, Call, TokenRefused
from rollcall_sandbox.encoded import EncodedRoster
from rollcall_sandbox.generate import generate
from rollcall_sandbox.nights import Night, pass_night
from rollcall_sandbox.pages import Pages, Place
from rollcall_sandbox.paths import FILES, NESTED, OTHER_SERVICES, RESOURCES, document
from rollcall_sandbox.queries import page_query, selected
from rollcall_sandbox.quirk import HttpResponse
from rollcall_sandbox.quirks import QUIRKS, known
from rollcall_sandbox.quirks_faults import LOGIN_PAGE
from rollcall_sandbox.rendering import Renderer, Style
from rollcall_sandbox.settings import Addresses, SandboxDistrict, addresses
from rollcall_sandbox.status_info import Refused, status_info
from rollcall_sandbox.truth import Gauge, RequestLog, truth
from rollcall_sandbox.versions import V1p1Renderer, V1p2Renderer

Clock = Callable[[], datetime]

_MOVED = "moved=1"


def present_time() -> datetime:
    return datetime.now(UTC)


class Route(NamedTuple):
    """The handler of a path.

    :param counted: the path under which its requests are counted. None: no client should request it.
    """

    counted: str | None
    answer: Callable[[Call], HttpResponse]


class Provider:
    """A district as its clients see it. Nights and quirks may be set from another thread than the server's.

    :param origin: scheme, host and port at which it is served, for the hrefs in its records.
    :param host: the gauge of open requests shared with the sandbox's other districts.
    :param clock: when nights pass; those before the sandbox opened are dated back from it, a day each.
    """

    def __init__(self, settings: SandboxDistrict, origin: str, host: Gauge, clock: Clock = present_time) -> None:
        self.settings = settings
        self.log = RequestLog(host)
        self.access = Access(settings)
        self._origin = origin
        self._clock = clock
        self._lock = threading.Lock()
        self._roster = generate(settings)
        self._nights = 0
        self._last_night: Night | None = None
        opened = clock()
        for ago in reversed(range(settings.nights)):
            self._pass_one(opened - timedelta(days=ago))
        self.set_quirks(settings.quirks)

    @property
    def quirks(self) -> frozenset[str]:
        return self._quirks

    @property
    def addresses(self) -> Addresses:
        return self._addresses

    @property
    def nights(self) -> int:
        """How many have passed."""
        return self._nights

    @property
    def base_url(self) -> str:
        """The Base URL (for OAuth 1: the OneRoster URL) as the district's screen shows it."""
        return self._origin + self._addresses.base

    def set_quirks(self, names: Iterable[str]) -> None:
        """Replace the quirks with these and reset the request counts.

        :raises RollcallError: `sandbox_quirk`, for an unknown one, one of another version, or two that contradict.
        """
        quirks = known(names, self.settings.version)
        with self._lock:
            self._quirks = self.access.quirks = quirks
            self._addresses = addresses(self.settings, quirks)
            switched = [QUIRKS[name] for name in sorted(quirks)]
            self._renderer = self._make_renderer()
            self._records = EncodedRoster(self._renderer, self.settings.version, switched)
            self._pages = Pages(self._records, switched)

    def _make_renderer(self) -> Renderer:
        is_relative = "relative-hrefs" in self._quirks
        style = Style(
            base="~" + self._addresses.service[self._addresses.service.index("/ims/") :]
            if is_relative
            else self._origin + self._addresses.service,
            odd_ids="odd-ids" in self._quirks,
            per_school="record-per-school" in self._quirks,
        )
        return (V1p2Renderer if self.settings.version == "1.2" else V1p1Renderer)(self._roster, style)

    def pass_nights(self, count: int = 1) -> None:
        """Let nights pass, all of them now; what a client has read until then is yesterday's."""
        with self._lock:
            for _ in range(count):
                self._pass_one(self._clock())
            self._records.refresh()
            self._pages.forget()

    def _pass_one(self, at: datetime) -> None:
        self._nights += 1
        self._last_night = pass_night(self._roster, self.settings, self._nights, at)

    def truth(self) -> dict[str, Any]:
        """Counts of what there is, and what the last night did; see :func:`rollcall_sandbox.truth.truth`."""
        with self._lock:
            about = {"app": self.settings.app, "version": self.settings.version, "name": self.settings.name}
            return about | truth(self._records, self._renderer, self._quirks, self._nights, self._last_night)

    def find(self, path: str) -> Route | None:
        """The handler of a GET. None: the path is not one of this district's.

        :param path: as it was before decoding, so that a sourcedId may hold a `/`.
        """
        service = self._addresses.service
        if (scope := self._scope_of_another_service(path)) is not None:
            return Route(None, lambda call: self._another_service(scope, call))
        if not path.startswith(service + "/"):
            return self._outside_the_service(path)
        parts = tuple(unquote(part) for part in path.removeprefix(service + "/").split("/"))
        if parts[0] == "discovery":
            return self._discovery(parts[1:])
        pattern, is_list = "/".join(parts[::2]), len(parts) % 2 == 1
        if parts[0] == "schools" and len(parts) < 3 and "orgs-only" in self._quirks:
            return None
        if pattern not in RESOURCES and (pattern not in NESTED or not is_list):
            return None

        def answer(call: Call) -> HttpResponse:
            with self._lock:
                try:
                    if is_list:
                        return self._list(Place(pattern, parts[1::2], call.url), call)
                    return self._single(pattern, parts[1], call)
                except Refused as refused:
                    return self._refusal(refused)

        return Route(unquote(path.removeprefix(service)), answer)

    def _list(self, place: Place, call: Call) -> HttpResponse:
        collection = RESOURCES[place.last].collection
        self.access.check(collection, call, nested=bool(place.parents))
        query = page_query(call.query, self._records.members(collection), self.settings.version)
        return self._pages.reply(place, query)

    def _single(self, name: str, sourced_id: str, call: Call) -> HttpResponse:
        resource = RESOURCES[name]
        self.access.check(resource.collection, call)
        names = selected(call.query, self._records.members(resource.collection), self.settings.version)
        row = self._records.one(resource, sourced_id)
        if row is None:
            raise Refused(404, "unknownobject", f"There is no {resource.single} with this sourcedId.")
        record = self._records.body(resource.collection, row, names)
        return HttpResponse(200, b'{"' + resource.single.encode() + b'":' + record + b"}")

    def _scope_of_another_service(self, path: str) -> str | None:
        """The scope that opens a path of the gradebook or resources service; nothing for any other path. In 1.2 they
        lie next to the rostering service, in 1.1 below the same address; clients try either.
        """
        root, ims, below = path.partition("/ims/oneroster/")
        if not ims or root != self._addresses.service.partition("/ims/oneroster/")[0]:
            return None
        parts = below.split("/")
        return next((OTHER_SERVICES[name] for name in parts[-2:] if name in OTHER_SERVICES), None)

    def _another_service(self, scope: str, call: Call) -> HttpResponse:
        with self._lock:
            return self._refusal(self.access.refused_elsewhere(scope, call))

    def _outside_the_service(self, path: str) -> Route | None:
        """Campus shows its login page wherever there is nothing else."""
        of_this_district = self._addresses.base.partition("/ims/")[0] + "/"
        if "login-page-at-base" in self._quirks and path.startswith(of_this_district):
            return Route(None, lambda _: HttpResponse(200, LOGIN_PAGE, media_type="text/html"))
        return None

    def _discovery(self, parts: tuple[str, ...]) -> Route | None:
        if not any(parts == (file,) for quirk, file in FILES.items() if quirk in self._quirks):
            return None
        about = document(self.settings.name, self._origin + self._addresses.service, self.token_url)
        return Route(None, lambda _: HttpResponse(200, msgspec.json.encode(about)))

    @property
    def token_url(self) -> str:
        """The Token URL as the district's screen shows it."""
        query = self._addresses.token_query
        return f"{self._origin}{self._addresses.token}{'?' if query else ''}{query}"

    def token(self, form: dict[str, str], call: Call) -> HttpResponse:
        """Respond to a token request. Errors have OAuth's form, not OneRoster's."""
        with self._lock:
            if self._quirks & {"token-redirects", "token-redirects-away"} and _MOVED not in call.query:
                return HttpResponse(307, headers={"Location": self._moved_to(call)})
            try:
                granted = self.access.tokens.grant(form, call.authorization, self._quirks)
            except TokenRefused as refused:
                return token_refusal(refused)
            headers = {"Cache-Control": "no-store"}
            if "cookies-required" in self._quirks:
                headers["Set-Cookie"] = f"{COOKIE}={self.settings.app}; Path=/; HttpOnly"
        return HttpResponse(200, msgspec.json.encode(granted), headers)

    def _moved_to(self, call: Call) -> str:
        """The other address of the Token URL; `localhost` is another host than 127.0.0.1 to a careful client."""
        target = f"{urlsplit(call.url).path}?{call.query}{'&' if call.query else ''}{_MOVED}"
        if "token-redirects" in self._quirks:
            return target
        return f"http://localhost:{urlsplit(self._origin).port}{target}"

    def _refusal(self, refused: Refused) -> HttpResponse:
        scheme = "OAuth" if self.settings.auth == "oauth1" else "Bearer"
        headers = {"WWW-Authenticate": f'{scheme} realm="{self.settings.app}"'} if refused.status == 401 else {}
        payload = status_info(self.settings.version, refused, bare="bare-errors" in self._quirks)
        return HttpResponse(refused.status, msgspec.json.encode(payload), headers)


def token_refusal(refused: TokenRefused) -> HttpResponse:
    """A refused token request, RFC 6749 section 5.2."""
    headers = {"WWW-Authenticate": 'Basic realm="token"'} if refused.status == 401 else {}
    body = msgspec.json.encode({"error": refused.error, "error_description": refused.description})
    return HttpResponse(refused.status, body, headers)
