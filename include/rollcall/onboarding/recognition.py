"""What a district's text says about its connection: ids, secret, addresses, version, when it ends.

Values are found by the names beside them; where a table has the names in one row and the values in the next, by their
order; and an address or a Campus id that can be nothing else is found without a name. Nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from rollcall.check.raw_connection import CAMPUS_ID, RawConnection
from rollcall.onboarding import values
from rollcall.onboarding.plain_text import plain_lines
from rollcall.onboarding.values import Kind, Label, labels
from rollcall.oneroster.connection import Signature

Auth = Literal["oauth2", "oauth1", ""]


@dataclass(frozen=True)
class ParsedCredentials:
    """A connection as far as it was recognised; what was not is empty.

    :param auth: empty while nothing says which.
    :param version: `1.1` or `1.2`, where an address or the text says so.
    :param name: what the text calls the district.
    :param signature: the OAuth 1 signature the provider turned out to take, where it is not the usual one.
    :param notes: what was put right on the way, in sentences without any value.
    """

    client_id: str = ""
    secret: str = field(default="", repr=False)
    token_url: str = ""
    base_url: str = ""
    auth: Auth = ""
    version: Literal["1.1", "1.2", ""] = ""
    name: str = ""
    expires_on: date | None = None
    signature: Signature | Literal[""] = ""
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """What the district's screen calls the fields, by ours."""
        if self.auth == "oauth1":
            return {"base_url": "OneRoster URL", "client_id": "Consumer Key", "secret": "Consumer Secret"}
        return {
            "base_url": "Base URL",
            "token_url": "Token URL",
            "client_id": "Client ID",
            "secret": "Client Secret",
        }

    @property
    def missing(self) -> list[str]:
        """The fields without which there is no connection, as ours."""
        return [name for name in self.labels if not getattr(self, name)]

    @property
    def shown_secret(self) -> str:
        """Four characters and a length; of a short one the length alone."""
        shown = f"{self.secret[:4]}… " if len(self.secret) >= 12 else ""
        return f"{shown}({len(self.secret)} characters)" if self.secret else ""

    def completed(self, given: Mapping[str, str]) -> ParsedCredentials:
        """With fields somebody typed in, by our names."""
        return replace(self, **{name: value.strip() for name, value in given.items()})  # type: ignore[arg-type]

    def raw_connection(self, conn_id: str) -> RawConnection:
        """As the fields of an Airflow connection."""
        extra: dict[str, Any] = {"auth_url": self.token_url} if self.auth == "oauth2" else {"auth": "oauth1"}
        if self.expires_on:
            extra["expires_on"] = self.expires_on.isoformat()
        if self.signature:
            extra["signature"] = self.signature
        return RawConnection(conn_id, self.base_url, self.client_id, self.secret, extra)


def parse_credentials(content: bytes) -> ParsedCredentials:
    """Read what a district sent."""
    text = "\n".join(plain_lines(content))
    found = _Found(text)
    found.read(labels(text))
    found.without_names()
    found.put_right()
    return found.recognised()


class _Found:
    """Values by kind, in the making; the first one of a kind counts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._values: dict[Kind, Any] = {}
        self._notes: list[str] = []
        self._is_classic = False
        self._says_client = False

    def read(self, found: list[Label]) -> None:
        """Take what stands behind each name; for names without anything between them, what stands behind the last."""
        waiting: list[Label] = []
        for label, after in zip(found, [*found[1:], None], strict=False):
            region = self._text[label.end : after.start if after else len(self._text)]
            if not region.strip(" \t\n|*`_-") and after is not None:
                waiting.append(label)
                continue
            if waiting and self._in_order([*waiting, label], region):
                waiting = []
                continue
            waiting = []
            self._take(label, _value(label, region))

    def without_names(self) -> None:
        """What is unmistakable by itself."""
        for url in values.every_url(self._text):
            kind: Kind | None = (
                "token_url" if values.is_token_url(url) else "base_url" if values.is_service_url(url) else None
            )
            if kind and not self._values.get(kind) and url not in self._values.values():
                self._values[kind] = url
        if not self._values.get("client_id"):
            bare = (word.strip("\"'`*.,;") for word in self._text.split())
            campus = next((word for word in bare if word.startswith(CAMPUS_ID)), "")
            self._values |= {"client_id": campus} if campus and campus != self._values.get("secret") else {}

    def put_right(self) -> None:
        """Exchange what certainly stands in each other's place."""
        base, token = self._values.get("base_url", ""), self._values.get("token_url", "")
        if values.is_token_url(base) and (not token or values.is_service_url(token)):
            self._values |= {"base_url": token, "token_url": base}
            self._notes.append("Base URL and Token URL stood in each other's place; they were exchanged.")
        login, secret = self._values.get("client_id", ""), self._values.get("secret", "")
        if secret.startswith(CAMPUS_ID) and login and not login.startswith(CAMPUS_ID):
            self._values |= {"client_id": secret, "secret": login}
            self._notes.append("The id and the secret stood in each other's place; they were exchanged.")
        if values.is_masked(self._values.get("secret", "")):
            del self._values["secret"]
            self._notes.append("In the secret's place are the dots that the screen shows, and not the secret.")

    def recognised(self) -> ParsedCredentials:
        has_token_url = bool(self._values.get("token_url"))
        version = self._version()
        # without a Token URL, and called neither Client ID nor Consumer Key, it is what a connection takes it for
        is_classic = self._is_classic or version == "1.1"
        auth: Auth = "oauth2" if has_token_url or self._says_client else "oauth1" if is_classic else ""
        return ParsedCredentials(
            **{kind: self._values.get(kind, "") for kind in ("client_id", "secret", "token_url", "base_url", "name")},
            auth=auth,
            version=version or ("1.1" if auth == "oauth1" else ""),  # type: ignore[arg-type]
            expires_on=self._values.get("expires_on"),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _version(self) -> str:
        """The addresses know better than the words around them."""
        urls = " ".join(self._values.get(kind, "") for kind in ("base_url", "token_url"))
        said = self._values.get("version") or values.version(self._without_addresses())
        found = values.version(" ".join(urls.split("/")))
        if found and said and found != said:
            self._notes.append(f"The text says OneRoster {said}, its addresses are those of {found}; these count.")
        return found or said

    def _without_addresses(self) -> str:
        return " ".join(word for word in self._text.split() if "/" not in word)

    def _in_order(self, names: list[Label], region: str) -> bool:
        """Values of a table whose names all came before them; False where there are not as many."""
        cells = [cell.strip(" |*`") for cell in _cells(region)]
        if len(cells) < len(names):
            return False
        for label, cell in zip(names, cells, strict=False):
            self._take(label, _value(label, cell))
        return True

    def _take(self, label: Label, value: Any) -> None:
        self._is_classic = self._is_classic or label.is_classic
        self._says_client = self._says_client or (
            label.kind in ("client_id", "secret") and self._text[label.start : label.start + 6].lower() == "client"
        )
        if not value:
            return
        before = self._values.setdefault(label.kind, value)
        if before != value and label.kind in ("client_id", "secret", "token_url", "base_url"):
            what = {"client_id": "An id", "secret": "A secret", "token_url": "A Token URL", "base_url": "A Base URL"}
            self._notes.append(f"{what[label.kind]} came twice and not the same; the first one counts.")


def _value(label: Label, region: str) -> Any:
    match label.kind:
        case "client_id" | "secret":
            return values.token(region, signed=label.signed)
        case "token_url" | "base_url":
            return values.url(region)
        case "expires_on":
            return values.day(region)
        case "version":
            return values.version(region.split("\n\n")[0])
        case "name":
            return values.words(region) if label.signed else ""


def _cells(region: str) -> Iterable[str]:
    """A table's row where there is one, else a word each; up to the first empty line behind them."""
    body = region.strip("\n |\t").split("\n\n")[0]
    if "\t" in body or "|" in body:
        return [cell for cell in body.replace("|", "\t").replace("\n", "\t").split("\t") if cell.strip(" -")]
    return body.split()
