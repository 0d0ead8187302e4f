"""What schemathesis does not know by itself: how to write the bodies of an import."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_it_is(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")
