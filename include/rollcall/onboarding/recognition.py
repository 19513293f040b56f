"""Reads a district's text: ID, secret, URLs, version, and expiration date of its connection.

A value is found by the name next to it. In a table with a row of names and a row of values, it is found by its order. A
URL or a Campus ID that is unmistakable is found without a name. No request is sent.
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
    """The recognized values of a connection. Others are empty.

    :param auth: empty if unknown.
    :param version: `1.1` or `1.2`, from a URL or the text.
    :param name: the district's name in the text.
    :param signature: the OAuth 1 signature that the provider accepts, if it is not the default.
    :param notes: what was corrected, in sentences without values.
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
        """The names on the district's screen, by our field names."""
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
        """The required fields without a value, by our names."""
        return [name for name in self.labels if not getattr(self, name)]

    @property
    def shown_secret(self) -> str:
        """Four characters and the length; only the length of a short secret."""
        shown = f"{self.secret[:4]}… " if len(self.secret) >= 12 else ""
        return f"{shown}({len(self.secret)} characters)" if self.secret else ""

    def completed(self, given: Mapping[str, str]) -> ParsedCredentials:
        """With fields that a person typed, by our names."""
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
    """Read the text that a district sent."""
    text = "\n".join(plain_lines(content))
    found = _Found(text)
    found.read(labels(text))
    found.without_names()
    found.put_right()
    return found.recognized()


class _Found:
    """Collects values by kind. The first value of a kind counts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._values: dict[Kind, Any] = {}
        self._notes: list[str] = []
        self._is_classic = False
        self._says_client = False

    def read(self, found: list[Label]) -> None:
        """Take the value after each name. If names follow each other, take the values after the last one in order."""
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
        """Take values that are unmistakable without a name."""
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
        """Swap values that are certainly in the wrong field."""
        base, token = self._values.get("base_url", ""), self._values.get("token_url", "")
        if values.is_token_url(base) and (not token or values.is_service_url(token)):
            self._values |= {"base_url": token, "token_url": base}
            self._notes.append("Base URL and Token URL were swapped. We corrected this.")
        login, secret = self._values.get("client_id", ""), self._values.get("secret", "")
        if secret.startswith(CAMPUS_ID) and login and not login.startswith(CAMPUS_ID):
            self._values |= {"client_id": secret, "secret": login}
            self._notes.append("The ID and the secret were swapped. We corrected this.")
        if values.is_masked(self._values.get("secret", "")):
            del self._values["secret"]
            self._notes.append("The text contains the dots that the screen shows, not the secret.")

    def recognized(self) -> ParsedCredentials:
        has_token_url = bool(self._values.get("token_url"))
        version = self._version()
        # without a Token URL and without the name Client ID or Consumer Key, the version decides
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
        """The version in the URLs counts more than the version in the words."""
        urls = " ".join(self._values.get(kind, "") for kind in ("base_url", "token_url"))
        said = self._values.get("version") or values.version(self._without_addresses())
        found = values.version(" ".join(urls.split("/")))
        if found and said and found != said:
            self._notes.append(f"The text says OneRoster {said}, but its URLs are OneRoster {found}. The URLs count.")
        return found or said

    def _without_addresses(self) -> str:
        return " ".join(word for word in self._text.split() if "/" not in word)

    def _in_order(self, names: list[Label], region: str) -> bool:
        """Take the values of a table whose names all come first. False if there are too few values."""
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
            what = {"client_id": "ID", "secret": "secret", "token_url": "Token URL", "base_url": "Base URL"}
            self._notes.append(f"The text has two different values for the {what[label.kind]}. The first one counts.")


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
    """The cells of a table's row, or single words; up to the next empty line."""
    body = region.strip("\n |\t").split("\n\n")[0]
    if "\t" in body or "|" in body:
        return [cell for cell in body.replace("|", "\t").replace("\n", "\t").split("\t") if cell.strip(" -")]
    return body.split()
