"""How a command ends that can't do what it was asked: one sentence for a person, and an exit code for programs."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

OK = 0
#: Something is not as it should be: a stack is not Ready, a file is invalid.
NOT_AS_IT_SHOULD_BE = 1
#: Wrong arguments; click's own exit code for them.
WRONG_ARGUMENTS = 2
#: The cluster can't be reached, or the user's rights do not suffice.
NO_ACCESS = 3
#: As a shell says it of a program that SIGINT ended.
INTERRUPTED = 130
#: Characters of a sentence: what an API server says has no limit of its own.
_LONGEST = 600
UNAUTHORIZED, FORBIDDEN = 401, 403


class Failure(click.ClickException):
    """The command can't go on; the message is one sentence."""

    def __init__(self, message: str, exit_code: int = NOT_AS_IT_SHOULD_BE) -> None:
        super().__init__(shortened(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it of the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to standard error."""
        click.echo(f"error: {self.format_message()}", file=file or sys.stderr)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return a text that others chose, fit for a line of a terminal: printable, and not longer than that."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Make one sentence of what comes of asking the API server; `doing` is what was tried: "read stack shop"."""
    # These take a second to import, and commands without a cluster need none of them.
    import aiohttp

    from inventory_operator.kube.client import ApiError, BrokenAnswerError

    try:
        yield
    except ApiError as error:
        if error.code in {UNAUTHORIZED, FORBIDDEN}:
            raise Failure(f"can't {doing}: your rights do not suffice: {error.message}", NO_ACCESS) from None
        raise Failure(f"can't {doing}: {error.message or error}", NO_ACCESS) from None
    except (aiohttp.ClientError, TimeoutError, BrokenAnswerError, OSError) as error:
        words = str(error) or type(error).__name__
        raise Failure(f"can't {doing}: no usable answer from the API server: {words}", NO_ACCESS) from None
