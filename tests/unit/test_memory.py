"""What the operator no longer uses goes back to the node."""

from __future__ import annotations

import subprocess
import sys

#: Large blocks with small ones between them that stay; 100 MB, of which nothing is in use at the end.
_PROGRAM = """
import sys
import psutil
if sys.argv[1] == "give back":
    from inventory_operator.runtime import memory
    memory.give_back()
large = bytes(30_000_000)
del large
kept, blocks = [], []
for _ in range(200):
    blocks.append(bytes(500_000))
    kept.append(bytes(1_000))
blocks.clear()
print(psutil.Process().memory_info().rss)
"""


def _resident(word: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, word], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_goes_back_that_small_blocks_keep_apart() -> None:
    assert _resident("give back") < _resident("keep") - 20_000_000
