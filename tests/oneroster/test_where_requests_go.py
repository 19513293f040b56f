"""Requests go to the host, scheme, and address that the connection says, and nowhere else."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from rollcall.oneroster import OneRosterClient, OneRosterConnection, OneRosterError, Retry
from rollcall.oneroster.addresses import is_public
from rollcall.oneroster.errors import ConnectionInvalid, InvalidResponse
from rollcall.oneroster.refusals import redirect_url
from rollcall.oneroster.wire import BoundedAdapter, connect_checked

NOT_PUBLIC = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1",
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::",  # noqa: S104
    "169.254.169.254",  # the metadata service of AWS, Azure, and Google Cloud
    "fd00:ec2::254",  # the same over IPv6 (AWS)
    "168.63.129.16",  # Azure's, at a public address
    "100.100.100.200",  # Alibaba Cloud's, in the range for carriers
    "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254",  # IPv4 in IPv6
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",  # 169.254.169.254 behind NAT64 and 6to4
    "224.0.0.1", "ff02::1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_only_we_can_reach(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_everybody_can_reach(address: str) -> None:
    assert is_public(address)


def connection(base_url: str, **fields: Any) -> OneRosterConnection:
    return OneRosterConnection(base_url, "id", "secret", **{"auth": "bearer", **fields})


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if "%" not in address])
def test_such_an_address_in_a_url_needs_the_setting(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    is_loopback = address.startswith("127.") or address == "::1"
    for fields in ({}, {"auth": "oauth2", "auth_url": f"https://{host}/token"}):
        base_url = f"https://{host}/base" if not fields else "https://sis.example.org/base"
        if is_loopback:
            connection(base_url, **fields)
            continue
        with pytest.raises(ConnectionInvalid) as refused:
            connection(base_url, **fields)
        assert "allow_private" in refused.value.remedy
        assert connection(base_url, allow_private=True, **fields)


@pytest.mark.parametrize("url", ["http://sis.example.org/base", "http://10.0.0.1/base", "ftp://127.0.0.1/", "sis"])
def test_a_url_without_tls_is_refused_outside_loopback(url: str) -> None:
    """`allow_private` does not lift this."""
    with pytest.raises(ConnectionInvalid):
        connection(url, allow_private=True)
    with pytest.raises(ConnectionInvalid):
        connection("https://sis.example.org", auth="oauth2", auth_url=url, allow_private=True)


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), ("False", False), ("", False)])
def test_the_setting_comes_from_extra(value: Any, expected: bool) -> None:
    extra = {"auth": "bearer", "allow_private": value}
    made = OneRosterConnection.from_airflow_fields("c", "https://sis.example.org", "id", "s", extra)
    assert made.allow_private is expected


@pytest.mark.parametrize("value", [1, "yes", ["true"]])
def test_the_setting_is_true_or_false(value: Any) -> None:
    extra = {"auth": "bearer", "allow_private": value}
    with pytest.raises(ConnectionInvalid) as refused:
        OneRosterConnection.from_airflow_fields("c", "https://sis.example.org", "id", "s", extra)
    assert refused.value.remedy == "Expected: true or false."


class Resolver:
    """Answers for host names, one list of addresses after another; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.connected: list[str] = []

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host.replace(".", "").isdigit() or ":" in host:
            return [(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]

    def create_connection(self, address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        self.connected.append(address[0])
        raise ConnectionRefusedError


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Any:
    def start(*answers: list[str]) -> Resolver:
        resolver = Resolver(*answers)
        monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
        monkeypatch.setattr("urllib3.util.connection.create_connection", resolver.create_connection)
        return resolver

    return start


def error_of(made: OneRosterConnection, attempts: int = 1) -> OneRosterError:
    retry = Retry(attempts=attempts, first_wait=0.001)
    with OneRosterClient(made, "1.2", retry=retry) as client, pytest.raises(OneRosterError) as caught:
        client.get(f"{made.base_url}/users", lambda answer: answer)
    return caught.value


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "::ffff:10.0.0.1", "::1"])
def test_a_name_that_leads_inside_is_refused_before_a_packet_is_sent(resolve: Any, address: str) -> None:
    resolver = resolve([address])
    error = error_of(connection("https://sis.example.org/base"))

    assert error.code == "address_private"
    assert address in error.message
    assert "allow_private" in error.remedy
    assert resolver.connected == []


def test_a_name_that_changes_a_moment_later_gains_nothing(resolve: Any) -> None:
    """DNS rebinding: each connection resolves once, and connects to the address that was checked."""
    resolver = resolve(["8.8.8.8"], ["10.0.0.1"])
    error = error_of(connection("https://sis.example.org/base"), attempts=3)

    assert error.code == "address_private"
    assert resolver.connected == ["8.8.8.8"]
    assert resolver.asked == ["sis.example.org"] * 2


@pytest.mark.parametrize("first", ["127.0.0.2", "10.0.0.1"])
def test_the_certificate_is_looked_at_on_the_first_address_that_connects(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The first one is not reachable or not allowed, such as an IPv6 address in a network without IPv6."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        resolver = Resolver([first, "127.0.0.1"])
        monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
        with connect_checked("localhost", port, 2, allow_private=False) as plain:
            assert plain.getpeername() == ("127.0.0.1", port)
        with pytest.raises(ConnectionInvalid):
            connect_checked("sis.example.org", port, 2, allow_private=False)


def test_of_several_addresses_only_the_allowed_are_tried(resolve: Any) -> None:
    resolver = resolve(["10.0.0.1", "8.8.8.8", *[f"8.8.4.{last}" for last in range(100)]])
    error_of(connection("https://sis.example.org/base"))

    assert resolver.connected[0] == "8.8.8.8"
    assert len(resolver.connected) == 7  # of the first eight


def test_with_the_setting_it_is_connected_to(resolve: Any) -> None:
    resolver = resolve(["10.0.0.1"])
    error = error_of(connection("https://sis.example.org/base", allow_private=True))

    assert error.code == "provider_unreachable"
    assert resolver.connected == ["10.0.0.1"]


def test_localhost_is_this_machine_and_nothing_else(resolve: Any) -> None:
    resolver = resolve(["10.0.0.1"])
    assert error_of(connection("http://localhost:1/base")).code == "address_private"
    assert resolver.connected == []


# -- redirects and links

UNUSABLE = [
    "http://[::1/orgs", "http://[zz]/orgs", "http://127.0.0.1:99999999/", "http://127.0.0.1:-1/", "http://h:port/",
    "file:///etc/passwd", "javascript:alert(1)", "mailto:a@b", "http://a b/", "é",
    "http://127.0.0.1/\x01", "http://127.0.0.1/\x7f", "/orgs\tx",
]  # fmt: skip


@pytest.mark.parametrize("location", UNUSABLE)
def test_a_location_that_is_no_url_is_an_error_in_words(provide: Any, connect: Any, reply: Any, location: str) -> None:
    provider = provide(lambda asked: reply(b"", 302, {"Location": location}))
    with pytest.raises(InvalidResponse) as refused:
        connect(provider).get(f"{provider.base_url}/users", lambda answer: answer)

    assert refused.value.code in ("redirect_unusable", "redirected")
    assert "Location" in refused.value.message or "does not follow" in refused.value.message
    assert len(provider.asked) == 2  # the token, and one request


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/orgs", "https://127.0.0.1:{port}/orgs", "http://localhost:{port}/orgs",
        "http://127.0.0.1:1/orgs", "http://a:b@127.0.0.1:{port}/orgs", "//elsewhere.example/orgs",
        "http://127.0.0.1:{port}@elsewhere.example/orgs", "http://127.0.0.1.elsewhere.example:{port}/orgs",
    ],
)  # fmt: skip
def test_no_redirect_leaves_host_port_and_scheme(
    provide: Any, connect: Any, reply: Any, location: str, status: int
) -> None:
    ports: list[int] = []
    provider = provide(lambda asked: reply(b"", status, {"Location": location.format(port=ports[0])}))
    ports.append(provider.port)
    with pytest.raises(InvalidResponse) as refused:
        connect(provider).get(f"{provider.base_url}/users", lambda answer: answer)

    assert refused.value.code == "redirected"
    assert "a:b" not in str(refused.value)
    assert len(provider.asked) == 2


def test_a_redirect_on_the_same_host_is_followed_three_times(provide: Any, connect: Any, reply: Any) -> None:
    provider = provide(lambda asked: reply(b"", 302, {"Location": asked.path + "/x"}))
    with pytest.raises(InvalidResponse) as refused:
        connect(provider).get(f"{provider.base_url}/users", lambda answer: answer)

    assert refused.value.code == "redirected"
    assert len(provider.asked) == 5  # the token, one request, three redirects


@pytest.mark.parametrize(
    "link",
    ['<http://[::1>; rel="next"', "<", ";", ",,,<", '<x>; rel=next; rel="', "<http://h:99999999/>; rel=next", "é" * 99],
)
def test_a_link_is_never_followed(provide: Any, connect: Any, reply: Any, link: str) -> None:
    rows = [{"sourcedId": "u1"}]
    provider = provide(
        lambda asked: reply({"orgs": [] if asked.offset else rows}, headers={"Link": link.encode().decode("latin-1")})
    )
    reader = connect(provider).pages("orgs")
    assert [record.sourced_id for page in reader for record in page.records] == ["u1"]
    assert {asked.path for asked in provider.asked} <= {"/token", "/ims/oneroster/orgs"}


def test_a_location_is_read_as_it_is_sent() -> None:
    """urllib removes tabs and line breaks; what is left could lead elsewhere."""
    from rollcall.oneroster.http import Response

    sent = Response(302, "https://sis.example.org/x", {"Location": "https://sis.example.org/\ty"}, b"")
    assert redirect_url(sent) is None


# -- proxies


def test_loopback_never_goes_through_a_proxy(
    provide: Any, connect: Any, paged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    reader = connect(provide(paged(3, total=3))).pages("orgs")

    assert sum(page.received for page in reader) == 3


def test_a_proxy_is_used_and_its_own_address_may_be_private(
    provide: Any, reply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A district's data passes it inside TLS: the proxy sees a CONNECT with the host's name."""
    proxy = provide(lambda asked: reply(b"", 403))
    seen: list[tuple[str, str]] = []
    send = BoundedAdapter.proxy_manager_for

    def noted(self: BoundedAdapter, url: str, **options: Any) -> Any:
        seen.append((url, "sent"))
        return send(self, url, **options)

    monkeypatch.setattr(BoundedAdapter, "proxy_manager_for", noted)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "")
    error = error_of(connection("https://sis.example.org/base"))

    assert error.code == "provider_unreachable"
    assert seen == [(f"http://127.0.0.1:{proxy.port}", "sent")]
