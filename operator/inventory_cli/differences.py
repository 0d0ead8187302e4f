"""What differs between two Kubernetes objects, by path; and what of a manifest can be taken from the live object.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Paths of one object that are named; the rest is counted.
_NAMED = 4
#: A file in a ConfigMap is told by its key, and an item of these lists by its name.
_BY_NAME = "name"


def paths(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value that is only in one of the two, or another; items of lists go by their names."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            below = f"{path}.{key}" if path else str(key)
            yield from _below(old, new, key, below)
    elif _named(old) and _named(new):
        ours, theirs = ({item[_BY_NAME]: item for item in items} for items in (old, new))
        for name in sorted(ours.keys() | theirs.keys()):
            yield from _below(ours, theirs, name, f"{path}[{name}]")
    elif old != new:
        yield path


def _below(old: dict[str, Any], new: dict[str, Any], key: str, path: str) -> Iterator[str]:
    if key not in old or key not in new:
        yield path
    else:
        yield from paths(old[key], new[key], path)


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and _BY_NAME in item for item in value)


def told(found: list[str]) -> str:
    """Return paths as a person reads them: some of many."""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def contains(have: Any, want: Any) -> bool:
    """Tell whether a live object has every value of a manifest, whatever else it has; items of lists one by one."""
    if isinstance(have, dict) and isinstance(want, dict):
        return all(key in have and contains(have[key], value) for key, value in want.items())
    if isinstance(have, list) and isinstance(want, list):
        return len(have) == len(want) and all(contains(*pair) for pair in zip(have, want, strict=True))
    return bool(have == want)


def takes_out(old: Any, new: Any) -> bool:
    """Tell whether a field of a manifest is not in the next one any more."""
    if isinstance(old, dict) and isinstance(new, dict):
        return any(key not in new or takes_out(value, new[key]) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) != len(new) or any(takes_out(*pair) for pair in zip(old, new, strict=True))
    return False


def with_live_values(old: Any, new: Any, live: Any) -> Any:
    """Return `new`, but where it is like `old` with the value that `live` has there.

    `old` and `new` were rendered without what only the operator knows (an image, a digest); where they are alike that
    makes no difference, and the live object has what the operator put there. No field is added to `new`.
    """
    if isinstance(new, dict) and isinstance(old, dict) and isinstance(live, dict):
        return {key: with_live_values(old[key], value, live[key]) if key in old and key in live else value
                for key, value in new.items()}  # fmt: skip
    if isinstance(new, list):
        same = isinstance(old, list) and isinstance(live, list) and len(old) == len(new) == len(live)
        return [with_live_values(*three) for three in zip(old, new, live, strict=True)] if same else new
    return live if old == new and type(live) is type(new) else new
