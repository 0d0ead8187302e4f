"""Where the service is reached: at IPv6 and IPv4, on nodes that have both, or one of them."""

from __future__ import annotations

import socket

import pytest
from tests.service.node import TRIED, on_node

from inventory_service.server import limits
from inventory_service.server.listeners import listen


@pytest.mark.parametrize(
    ("node", "peers"),
    [
        ("both", {"127.0.0.1": "::ffff:127.0.0.1", "::1": "::1"}),
        ("IPv6 switched off", {"127.0.0.1": "::ffff:127.0.0.1"}),
        ("IPv6 only", {"::1": "::1"}),
    ],
)
def test_at_all_addresses_that_a_node_has(node, peers):
    assert on_node(node, "peers", "") == peers


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_at_one_address_and_no_other(address):
    peer = "::1" if ":" in address else "127.0.0.1"
    assert on_node("both", "peers", address) == {peer: peer}


def test_on_a_kernel_without_ipv6(monkeypatch):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen(None, 0) as listener:
        assert listener.family == socket.AF_INET
        assert listener.getsockname()[0] == "0.0.0.0"


def test_an_address_of_another_node_is_named():
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_a_port_that_is_taken_for_one_family_is_not_served_for_the_other():
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen(None, taken.getsockname()[1])


def test_the_service_knows_clients_and_ports_as_before(tmp_path):
    """An IPv4 client is called by its IPv4 address; each client has its own rate; port 5001 has no /metrics."""
    found = on_node("both", "answers", tmp_path)
    assert set(found.pop("clients")) == {"127.0.0.1", "::/64"}
    statuses = [200, 200, 404, 200, 200, 429]
    assert found == {"127.0.0.1": statuses, "[::1]": statuses}


@pytest.mark.parametrize(
    ("proxies", "exempt"),
    [
        ("", {"127.0.0.1 INGRESS_PORT", "::1 INGRESS_PORT"}),
        ("127.0.0.0/8", {"127.0.0.1 PORT", "127.0.0.1 INGRESS_PORT"}),
        ("::1/128", {"::1 PORT", "::1 INGRESS_PORT"}),
    ],
)
def test_a_proxy_may_have_any_number_of_connections(tmp_path, proxies, exempt):
    """It is many clients; one that is not named is one."""
    found = on_node("both", "held", tmp_path, proxies)
    assert len(found) == 4
    assert {place for place, held in found.items() if held == TRIED} == exempt
    # The server may still know connections that were tried before.
    assert all(0 < held <= limits.CONNECTIONS_OF_A_PEER for place, held in found.items() if place not in exempt)
