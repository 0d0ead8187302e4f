"""What holds an object of a stack back: which one, why, whose turn it is, and when to look again.

Only the record: it is created where objects are checked or written, and read where they are applied and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Seconds after which a Blocker of which a watch would tell is looked at in any case: a watch may have missed it.
MISSED_BY_WATCH_SECONDS = 300.0
#: The kind and the name of an object in the stack's namespace, or of a cluster-scoped one.
ObjectId = tuple[str, str]
#: The reason of what others undo again and again, whichever field or object that is.
FIELD_CONFLICT = "FieldConflict"
#: The component of what concerns all of them.
WHOLE_STACK = "stack"


class Turn(Enum):
    """Who has to act before it can go on."""

    #: The user: a field, a Secret, an object in the way.
    USER = "user"
    #: The API server, or we: the same request is sent again.
    CLUSTER = "cluster"
    #: Somebody who is at it already: a database that is being created, an object that is being deleted.
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Blocker:
    """An object that is not applied, or not as the spec says; what refers to it by name is not applied either."""

    target: ObjectId
    #: The component whose condition tells of it; "database" for what the service waits for, WHOLE_STACK for all.
    component: str
    reason: str
    message: str
    turn: Turn
    #: Seconds until it is looked at again whatever happens. None: where it is the cluster's turn, with backoff; else
    #: not before something changes.
    retry_seconds: float | None = None
