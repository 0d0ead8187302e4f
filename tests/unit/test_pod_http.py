"""What a pod can do to who asks it: nothing beyond a bounded time, bounded memory, and a sentence about it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.webserver import Request, Response, WebServer

from inventory_operator.components.pod_http import CONNECTIONS, LARGEST_ANSWER, PodClient, PodRequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

#: Only what hangs takes so long.
PATIENCE = 60.0
#: More than one answer, its buffers and the rest of the test take; far less than an unbounded answer.
BOUND = 16 * LARGEST_ANSWER


def pod(address: str = "127.0.0.1") -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": {"podIP": address}}


async def asked(client: PodClient, port: int, method: str = "GET") -> bytes:
    async with asyncio.timeout(PATIENCE), client.conversation(pod(), port) as talk:
        return await talk.ask(method, "/x")


async def refused(answer: Callable[[Request], Response], seconds: float = PATIENCE, method: str = "GET") -> str:
    """Return what is said of a pod that answers like this."""
    with WebServer("127.0.0.1", answer) as server, pytest.raises(PodRequestError) as raised:
        await asked(PodClient(seconds), int(server.target.rpartition(":")[2]), method)
    return str(raised.value)


async def test_a_plain_answer_is_returned_and_nothing_else_is_asked_for() -> None:
    requests: list[Request] = []

    def answer(request: Request) -> Response:
        requests.append(request)
        return Response("x" * LARGEST_ANSWER)

    with WebServer("127.0.0.1", answer) as server:
        assert await asked(PodClient(PATIENCE), int(server.target.rpartition(":")[2])) == b"x" * LARGEST_ANSWER
    (request,) = requests
    assert request.headers["Accept-Encoding"] == "identity"
    assert not {"Authorization", "Proxy-Authorization", "Cookie"} & set(request.headers.keys())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_is_sent_where_a_redirect_leads(status: int, method: str) -> None:
    reached: list[str] = []

    def elsewhere(request: Request) -> Response:
        reached.append(request.path)
        return Response("")

    with WebServer("127.0.0.1", elsewhere) as other:

        def answer(_: Request) -> Response:
            return Response("", status, {"Location": other.url("/secret"), "Set-Cookie": "a=b"})

        words = await refused(answer, method=method)
    assert words == f"answered {method} /x with a redirect ({status}), which is not followed"
    assert reached == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer("127.0.0.1", lambda _: Response("a proxy")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("no_proxy", raising=False)
        with WebServer("127.0.0.1", lambda _: Response("the pod")) as server:
            assert await asked(PodClient(PATIENCE), int(server.target.rpartition(":")[2])) == b"the pod"


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()


def endless() -> Iterator[bytes]:
    chunk = b"x" * 65_536
    while True:
        yield chunk


async def test_an_endless_answer_is_read_up_to_the_limit() -> None:
    with bounded_memory():
        assert await refused(lambda _: Response(endless())) == "answered GET /x with more than 1,048,576 bytes"


async def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(256 * LARGEST_ANSWER))
    assert len(bomb) < LARGEST_ANSWER
    with bounded_memory():
        words = await refused(lambda _: Response(bomb, headers={"Content-Encoding": "gzip"}))
    assert words == "answered GET /x compressed, which was not asked for"


async def test_a_slow_answer_has_one_deadline_however_often_a_byte_comes() -> None:
    ended = threading.Event()

    def drip() -> Iterator[bytes]:
        while not ended.wait(0.05):
            yield b"x"

    assert await refused(lambda _: Response(drip()), seconds=0.5) == "did not answer completely within 0.5 s"
    ended.set()


async def test_another_status_is_named_without_a_word_of_the_answer() -> None:
    assert await refused(lambda _: Response("secret", 503)) == "answered GET /x with 503, expected 200"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextlib.asynccontextmanager
async def sending(first: bytes, again: bytes = b"") -> AsyncIterator[int]:
    """Send these bytes to who connects, the second ones for as long as they are taken; yield the port."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(first)
            while again:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("first", "again", "seconds", "words"),
    [
        (b"", b"", PATIENCE, "closed the connection before its answer was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"", PATIENCE, "closed the connection before"),
        (b"220 a mail server\r\n", b"", PATIENCE, "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n", b"A: " + b"a" * 1_000 + b"\r\n", PATIENCE, "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"a" * 65_536, PATIENCE, "did not answer in HTTP"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, 1.0, "did not answer completely"),
        (CHUNKED, b"f" * 65_536, 1.0, "closed|did not"),
        (CHUNKED, b"1;" + b"e" * 65_536, 1.0, "closed|did not"),
    ],
    ids=["nothing", "short", "no-http", "headers", "header", "informational", "chunk-size", "chunk-extension"],
)
async def test_what_is_no_answer_costs_little(first: bytes, again: bytes, seconds: float, words: str) -> None:
    with bounded_memory():
        async with sending(first, again) as port:
            with pytest.raises(PodRequestError, match=words):
                await asked(PodClient(seconds), port)


async def test_an_unreachable_pod_and_one_without_an_address_are_named() -> None:
    async with sending(b"") as port:
        pass
    with pytest.raises(PodRequestError, match="can't be connected to"):
        await asked(PodClient(PATIENCE), port)
    for address in ("", "pods.example.com", "127.0.0.1/a"):
        with pytest.raises(PodRequestError, match="no valid IP address"):
            async with PodClient().conversation(pod(address), port):
                raise AssertionError(address)


async def test_the_number_of_connections_is_bounded() -> None:
    open_now, most, release = 0, 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        if open_now == CONNECTIONS:
            asyncio.get_running_loop().call_soon(release.set)
        await release.wait()
        await reader.readuntil(b"\r\n\r\n")
        open_now -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = PodClient(PATIENCE)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(asked(client, port) for _ in range(3 * CONNECTIONS)))
    server.close()
    assert most == CONNECTIONS
