"""Who a request comes from, whatever proxies and clients write into X-Forwarded-For."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.framework.service_app import prepared_app

from inventory_service.app import create_app
from inventory_service.context import context_of
from inventory_service.http.client_address import client_address, is_trusted_proxy
from inventory_service.settings import load

PROXIES = "10.42.0.0/16, 2001:db8:42::/48"
NETWORKS = [ip_network(network) for network in PROXIES.split(", ")]
PORT, INGRESS_PORT = "5000", "5001"


@cache
def app_behind(proxies):
    """Return an application that is never asked for its database."""
    return create_app(load({"DATABASE_URL": "/missing/inventory.db", "TRUSTED_PROXIES": proxies}))


def client_of(peer, forwarded, port=PORT, proxies=PROXIES):
    environ = {"REMOTE_ADDR": peer, "SERVER_PORT": port}
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with app_behind(proxies).test_request_context(headers=headers, environ_overrides=environ):
        return client_address()


def as_one(address):
    """Return how a client is called in limits and logs."""
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def is_proxy(address):
    return any(address in network for network in NETWORKS)


@st.composite
def spelled(draw, addresses):
    """Draw an address and one of the ways in which proxies write it."""
    address = draw(addresses)
    if address.version == 4:
        mapped = IPv6Address(f"::ffff:{address}")
        ways = [str(address), f"{address}:50123", f"::ffff:{address}", f"[{mapped.exploded}]:80", f"  {address} "]
    else:
        ways = [str(address), f"[{address}]:50123", f"[{address}]", address.exploded.upper(), f"{address}%eth0"]
    return address, draw(st.sampled_from(ways))


proxies = spelled(st.sampled_from(NETWORKS).flatmap(lambda network: st.ip_addresses(network=network)))
untrusted = spelled(
    st.ip_addresses().filter(lambda one: not is_proxy(one) and not (one.version == 6 and one.ipv4_mapped))
)
#: What a client may send: addresses, proxies' own ones among them, and anything else that fits into a header.
claims = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30), max_size=3) | st.lists(
    (proxies | untrusted).map(lambda pair: pair[1]), max_size=3
)
no_addresses = st.sampled_from(["", " ", "unknown", "_hidden", "10.42.0.1.5", "10.42.0.1:port", "[", "10.42.0.0/16"])
ports = st.sampled_from([PORT, INGRESS_PORT])


@given(claims=claims, client=untrusted, hops=st.lists(proxies, min_size=1, max_size=4), port=ports)
def test_the_client_is_the_first_address_from_the_right_that_is_no_proxy(claims, client, hops, port):
    *forwarded, (peer, _) = [client, *hops]
    header = ",".join([*claims, *(text for _, text in forwarded)])
    assert client_of(str(peer), header, port) == as_one(client[0])


@given(claims=claims, client=untrusted, port=ports)
def test_the_header_of_a_peer_that_is_no_proxy_is_ignored(claims, client, port):
    """At the ingress' port, too, as soon as there are trusted proxies: who is one is said."""
    assert client_of(str(client[0]), ",".join(claims), port) == as_one(client[0])


@given(claims=claims, nothing=no_addresses, hops=st.lists(proxies, min_size=1, max_size=3), port=ports)
def test_what_is_no_address_ends_the_walk_and_the_last_proxy_counts(claims, nothing, hops, port):
    header = ",".join([*claims, nothing, *(text for _, text in hops[:-1])])
    assert client_of(str(hops[-1][0]), header, port) == as_one(hops[0][0])


@given(hops=st.lists(proxies, min_size=1, max_size=4), port=ports)
def test_where_all_are_proxies_the_farthest_is_the_client(hops, port):
    """It asks for itself: a proxy's health check, say."""
    header = ",".join(text for _, text in hops[:-1]) or None
    assert client_of(str(hops[-1][0]), header, port) == as_one(hops[0][0])


@given(claims=claims, last=untrusted | proxies, peer=untrusted | proxies)
def test_without_trusted_proxies_the_last_address_counts_at_the_port_of_the_ingress_only(claims, last, peer):
    header = ",".join([*claims, last[1]])
    assert client_of(str(peer[0]), header, INGRESS_PORT, proxies="") == as_one(last[0])
    assert client_of(str(peer[0]), header, PORT, proxies="") == as_one(peer[0])


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.42.0.1", True), ("::ffff:10.42.255.255", True), ("2001:db8:42:1::1", True), ("2001:db8:42::1%eth0", True),
        ("10.43.0.1", False), ("::ffff:10.43.0.1", False), ("2001:db8:43::1", False), ("", False), ("unix:", False),
    ],
)  # fmt: skip
def test_connections_of_trusted_proxies(peer, trusted):
    """What the server's limits leave alone: a proxy is many clients."""
    given, none = load({"TRUSTED_PROXIES": PROXIES}), load({})
    for through_ingress in (True, False):
        assert is_trusted_proxy(peer, given, through_ingress=through_ingress) is trusted
        assert is_trusted_proxy(peer, none, through_ingress=through_ingress) is through_ingress


@pytest.mark.usefixtures("one_window")
@pytest.mark.parametrize("port", [PORT, INGRESS_PORT])
@pytest.mark.parametrize(
    ("peer", "chain"),
    [
        ("10.42.0.9", "{claim}, 203.0.113.8"),
        ("10.42.0.9", "{claim}, 203.0.113.8:51000, 10.42.7.7, [2001:db8:42::1]:443"),
        ("::ffff:10.42.0.9", "{claim}, ::ffff:203.0.113.8, 10.42.7.7"),
        ("203.0.113.8", "{claim}"),
        ("10.42.0.9", "{claim}, none"),
    ],
    ids=["one proxy", "three proxies", "mapped addresses", "no proxy", "a proxy that says nothing"],
)
def test_a_header_that_changes_gives_no_second_rate(tmp_path, peer, chain, port):
    with prepared_app(str(tmp_path / "i.db"), RATE_LIMIT="2/hour", TRUSTED_PROXIES=PROXIES) as app:
        client, environ = app.test_client(), {"REMOTE_ADDR": peer, "SERVER_PORT": port}

        def ask(claim, **other):
            headers = {"X-Forwarded-For": chain.format(claim=claim)}
            return client.get("/api/products", headers=headers, environ_overrides=environ | other).status_code

        claims = ["198.51.100.1", "198.51.100.2:80", "10.42.0.9", "2001:db8::1", "none", "203.0.113.9, 203.0.113.10"]
        assert [ask(claim) for claim in claims] == [200, 200, 429, 429, 429, 429]
        assert ask("", REMOTE_ADDR="198.51.100.1") == 200


@pytest.mark.parametrize(
    ("peer", "port", "proxies", "secure"),
    [
        ("10.42.0.9", PORT, PROXIES, True),
        ("10.42.0.9", INGRESS_PORT, PROXIES, True),
        ("203.0.113.8", INGRESS_PORT, PROXIES, False),
        ("203.0.113.8", INGRESS_PORT, "", True),
        ("10.42.0.9", PORT, "", False),
    ],
)
def test_whether_the_browser_speaks_tls_is_told_by_the_same_proxies(tmp_path, peer, port, proxies, secure):
    with prepared_app(str(tmp_path / "i.db"), TRUSTED_PROXIES=proxies) as app:
        assert context_of(app).settings.ingress_port == int(INGRESS_PORT)
        answer = app.test_client().post(
            "/logout",
            headers={"X-Forwarded-Proto": "https"},
            environ_overrides={"REMOTE_ADDR": peer, "SERVER_PORT": port},
        )
        assert answer.status_code == 303
        assert ("Secure" in answer.headers["Set-Cookie"]) is secure
