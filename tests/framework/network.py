"""A network namespace of the test's own, whose packets can be dropped without a word."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Addresses for tests of networks (RFC 2544), of which each process takes four.
_FIRST = 0xC6120000


@dataclass(frozen=True)
class Namespace:
    name: str
    #: The address inside.
    address: str

    @property
    def within(self) -> list[str]:
        """The command that runs another one inside."""
        return ["ip", "netns", "exec", self.name]

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Drop whatever comes in or goes out while the block lasts."""
        for chain in ("INPUT", "OUTPUT"):
            _run(*self.within, "iptables", "-I", chain, "!", "-i" if chain == "INPUT" else "-o", "lo", "-j", "DROP")
        try:
            yield
        finally:
            for chain in ("INPUT", "OUTPUT"):
                _run(*self.within, "iptables", "-F", chain)


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace, joined to this one by a pair of devices."""
    assert os.geteuid() == 0, "This test makes a network namespace: run it as root."
    preflight.require_packages({"ip": "iproute2", "iptables": "iptables"})
    number = os.getpid() % 0x8000
    name, device = f"inventory-{number}", f"inv{number}"
    outside, inside = (_address(_FIRST + 4 * number + each) for each in (1, 2))
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "address", "add", f"{outside}/30", "dev", device)
        _run("ip", "link", "set", device, "up")
        _run("ip", "-n", name, "address", "add", f"{inside}/30", "dev", "eth0")
        for each in ("lo", "eth0"):
            _run("ip", "-n", name, "link", "set", each, "up")
        yield Namespace(name, inside)
    finally:
        _run("ip", "netns", "delete", name)  # and the devices with it


def _address(number: int) -> str:
    return ".".join(str(byte) for byte in number.to_bytes(4))


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
