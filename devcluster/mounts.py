"""Finds and removes mounts under a folder, which killed programs leave behind."""

from __future__ import annotations

from pathlib import Path

from devcluster.shell import succeeds


def under(*folders: Path) -> list[str]:
    """Return the mount points inside `folders`, innermost first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    marks = tuple(f"{folder}/" for folder in folders)
    return sorted((it for it in (decode(point) for point in points) if it.startswith(marks)), reverse=True)


def decode(point: str) -> str:
    """Return a mount point as /proc/mounts writes it (see proc(5)) in plain text."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point


def unmount(*folders: Path) -> None:
    """Take away every mount inside `folders`."""
    for point in under(*folders):
        succeeds(["umount", "-l", point])
