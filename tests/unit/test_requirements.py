"""What the lock files hold is enough for pip to install from them alone, whatever was released since."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.rendered import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^(?P<requirement>[A-Za-z0-9._-]+(?:\[[^]]*\])?==[^ ;\\]+)", re.MULTILINE)


def pinned(lock: str) -> dict[str, Requirement]:
    """The pins of a lock file, by the name of the distribution."""
    found = (Requirement(match["requirement"]) for match in PIN.finditer(lock))
    return {canonicalize_name(pin.name): pin for pin in found}


def asked_for(pin: Requirement) -> Iterator[Requirement]:
    """What a pinned distribution, if it is installed, requires with the extras of its pin."""
    try:
        required = [Requirement(line) for line in requires(pin.name) or ()]
    except PackageNotFoundError:
        return
    for requirement in required:
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *pin.extras)):
            yield requirement


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_pin_names_the_extras_that_are_asked_of_it(lock: Path) -> None:
    """pip 23.2 takes the newest release for `name[extra]>=1` where only `name==1.2` is pinned, and then refuses it."""
    pins = pinned(lock.read_text())
    lacking = {
        f"{pin.name} asks for {asked}, pinned is {held}"
        for pin in pins.values()
        for asked in asked_for(pin)
        if (held := pins.get(canonicalize_name(asked.name))) is not None and not asked.extras <= held.extras
    }
    assert not lacking
