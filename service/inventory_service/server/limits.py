"""How long the server waits for a client, and how much it keeps for all of them: what makes slow clients harmless."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

#: Seconds for a whole head, from its first byte.
HEAD_SECONDS: Final = 10.0
#: Seconds that a body, and the taking of an answer, may take beyond what LEAST_RATE allows.
GRACE_SECONDS: Final = 10.0
#: Bytes a second that a client must send of its body, or take of its answer, on average: an eighth of 1 Mbit/s.
LEAST_RATE: Final = 16 * KIB
#: Longer than a proxy in front keeps an idle connection (nginx: 60 s), so that the proxy is the one to close it.
IDLE_SECONDS: Final = 75.0
#: For a client to read its last answer after we stopped sending, and to close the connection itself.
LINGER_SECONDS: Final = 2.0

#: Connections in all, and of one address that is no trusted proxy. Beyond that the one goes that its client keeps
#: waiting for longest; none is refused while there is such a one.
CONNECTIONS: Final = 512
CONNECTIONS_OF_A_PEER: Final = 128

#: An address longer than this is a 414: a cursor of a list is part of one.
ADDRESS_BYTES: Final = 8190
HEAD_BYTES: Final = 32 * KIB
#: What the kernel keeps of each connection in each direction; without a bound it grows to some MiB.
SOCKET_BYTES: Final = 64 * KIB
#: A body above this is kept in a file, and needs its share of LARGE_BODIES_BYTES before it is read.
SMALL_BODY_BYTES: Final = 256 * KIB
LARGE_BODIES_BYTES: Final = 32 * MIB
#: So long a large body keeps its share while others want it: 10 MiB over 1 Mbit/s take 84 s.
LARGE_BODY_SECONDS: Final = 90.0
#: Answers that their clients did not take yet, in all.
ANSWERS_BYTES: Final = 32 * MIB
#: So much of a streamed answer is ready before its client took it; then the stream waits.
STREAM_BYTES: Final = 256 * KIB
