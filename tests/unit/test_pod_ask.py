"""How the operator asks a pod in a round of checks: whole answers as they are, and a sentence for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from tests.framework.webserver import Request, Response, WebServer

from inventory_operator.components.pod_http import LARGEST_ANSWER
from inventory_operator.verification.ask import Reply, UnansweredError
from inventory_operator.verification.pods import asking

if TYPE_CHECKING:
    from collections.abc import Callable

POD = {"metadata": {"name": "a"}, "status": {"podIP": "127.0.0.1"}}


async def said(answer: Callable[[Request], Response], path: str = "/", **more: Any) -> Reply:
    with WebServer("127.0.0.1", answer) as server:
        async with asking(seconds=60) as ask:
            return await ask(POD, int(server.target.rpartition(":")[2]), path, **more)


async def test_an_answer_is_returned_whatever_its_status() -> None:
    assert await said(lambda _: Response("no", 401)) == Reply(401, b"no")
    assert await said(lambda _: Response("yes")) == Reply(200, b"yes")


async def test_a_large_answer_is_cut() -> None:
    reply = await said(lambda _: Response("x" * (LARGEST_ANSWER + 1)))
    assert (reply.cut, len(reply.body)) == (True, LARGEST_ANSWER)


async def test_the_query_arrives_as_it_is_meant() -> None:
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.extend(request.args.values())
        return Response("")

    await said(answer, "/api/v1/query?query=%7B__name__%3D~%22a%7Cb%22%7D%20%2B%201&limit=1")
    assert seen == ['{__name__=~"a|b"} + 1', "1"]


async def test_a_body_and_credentials_are_sent() -> None:
    def answer(request: Request) -> Response:
        return Response(
            f"{request.method} {request.content_type} {request.get_data(as_text=True)} {request.authorization}"
        )

    reply = await said(answer, authorization="Basic YTpi", method="POST", body=b"{}")
    assert reply.body.startswith(b"POST application/json {} Basic ")


async def test_several_questions_share_a_connection() -> None:
    ports: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response(text="yes")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with asking(seconds=60) as ask:
            for _ in range(3):
                await ask(POD, runner.addresses[0][1], "/")
    finally:
        await runner.cleanup()
    assert len(ports) == 3
    assert len(set(ports)) == 1


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (
            Response("", 302, {"Location": "http://127.0.0.1/"}),
            "answered GET / with a redirect (302), which is not followed",
        ),
        (Response("", headers={"Content-Encoding": "gzip"}), "answered GET / compressed, which was not asked for"),
    ],
)
async def test_what_is_not_taken_is_said(response: Response, words: str) -> None:
    with pytest.raises(UnansweredError) as found:
        await said(lambda _: response, "/?secret=1")
    assert str(found.value) == words


async def test_a_pod_without_an_address() -> None:
    async with asking() as ask:
        with pytest.raises(UnansweredError, match="has no valid IP address"):
            await ask({"metadata": {"name": "a"}, "status": {}}, 5000, "/")
