"""Whose request or connection it is: the client's address behind proxies, in one spelling for limits and logs."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from flask import request

from inventory_service.context import came_through_ingress, context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_service.settings import Networks, Settings

#: `[2001:db8::1]:8080`, `[2001:db8::1]` or `192.0.2.1:8080`: an address with a port (RFC 7239, section 6).
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](?::[0-9]{1,5})?|(?P<v4>[0-9.]+):[0-9]{1,5}")
#: More than an address of IPv6 in brackets (47 characters) with a zone and a port; what is longer is not remembered.
_LONGEST = 80
#: What one household or one machine is given (RFC 6177): its owner chooses the rest of the address.
_V6_PREFIX = 64


def client_address() -> str:
    """Return who asks: the other end of the connection or, where that is a proxy, the client that it forwards for."""
    peer = request.remote_addr or ""
    client = _address(peer)
    if came_from_proxy():
        hops = reversed(request.environ.get("HTTP_X_FORWARDED_FOR", "").split(","))
        client = _nearest_client(client, hops, context().settings.trusted_proxies)
    return _spelling(client) if client else peer


def one_spelling(peer: str) -> str:
    """Return the other end of a connection as limits count it: an IPv6 address as its /64."""
    address = _address(peer)
    return _spelling(address) if address else peer


def came_from_proxy() -> bool:
    """Tell whether the current request came from a proxy whose word on its clients counts."""
    return is_trusted_proxy(request.remote_addr or "", context().settings, through_ingress=came_through_ingress())


def is_trusted_proxy(peer: str, settings: Settings, *, through_ingress: bool) -> bool:
    """Tell whether the other end of a connection is a proxy: its word counts, and it is many clients.

    Those are the addresses in TRUSTED_PROXIES, at either port; without any, whoever comes to the ingress' port.
    """
    if not settings.trusted_proxies:
        return through_ingress
    return _within(_address(peer), settings.trusted_proxies)


def _nearest_client(
    peer: IPv4Address | IPv6Address | None, hops: Iterable[str], proxies: Networks
) -> IPv4Address | IPv6Address | None:
    """Return the first of `hops`, nearest first, that is none of the proxies; else the last that is an address at all.

    Each proxy appends the address it was called from. What precedes the first untrusted address, or what is no address,
    is only a claim.
    """
    client = peer
    for hop in hops:
        address = _address(hop)
        if address is None:
            break
        client = address
        if not _within(address, proxies):
            break
    return client


def _within(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address without a port and a zone, an IPv4 address as such; None for what is none."""
    return _parsed(text.strip()) if len(text) <= _LONGEST else None


@lru_cache(1024)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    if match := _WITH_PORT.fullmatch(text):
        text = match["v6"] or match["v4"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


@lru_cache(1024)
def _spelling(address: IPv4Address | IPv6Address) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _V6_PREFIX), strict=False))
