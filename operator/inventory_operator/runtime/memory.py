"""Makes the C library give memory back that the operator no longer uses.

glibc keeps what large answers took: it raises the size from which it maps memory of its own to that of the largest
block that was ever freed (mallopt(3), M_MMAP_THRESHOLD), and what is below that stays in the heap.
"""

from __future__ import annotations

import ctypes

#: Parameters of mallopt (malloc.h of glibc).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: Bytes, and heaps: what is set no longer changes by itself.
_SETTINGS = {_TRIM_THRESHOLD: 131_072, _MMAP_THRESHOLD: 65_536, _ARENA_MAX: 1}


def give_back() -> None:
    """Set it for this process; where the C library is another one, nothing is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for name, value in _SETTINGS.items():
            mallopt(name, value)
