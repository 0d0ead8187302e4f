"""The ports that tests choose: nobody else gets one before its server has started."""

from __future__ import annotations

import socket

import pytest
from tests.framework.server import free_port


def test_a_port_is_kept_for_the_server_that_names_it() -> None:
    port = free_port()
    for address in ("127.0.0.1", "127.0.0.2", ""):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((address, port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    for address in ("127.0.0.1", "127.0.0.2", ""):  # and again, as after a restart
        with socket.create_server((address, port)), socket.create_connection((address or "127.0.0.1", port)):
            pass


def test_no_port_is_chosen_twice() -> None:
    ports = [free_port() for _ in range(60)]
    assert len(set(ports)) == len(ports)
