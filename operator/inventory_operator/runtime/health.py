"""The operator's own HTTP port: /livez, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from inventory_operator.metrics import STACK_CONDITIONS

Check = Callable[[], str | None]


async def start(port: int, live: Check, ready: Check) -> web.AppRunner:
    """Serve on every address; a check returns None when all is well, else the sentence that says what is not."""
    app = web.Application()
    app.router.add_get("/livez", _answer(live))
    app.router.add_get("/readyz", _answer(ready))
    app.router.add_get("/metrics", _metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(_: web.Request) -> web.StreamResponse:
        trouble = check()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    return handle


async def _metrics(request: web.Request) -> web.StreamResponse:
    """Answer all metrics; `?namespace=` and `?stack=` choose the stacks whose conditions are among them."""
    stacks = STACK_CONDITIONS.only(request.query.get("namespace", ""), request.query.get("stack", ""))
    return web.Response(body=generate_latest() + generate_latest(stacks), headers={"Content-Type": CONTENT_TYPE_LATEST})
