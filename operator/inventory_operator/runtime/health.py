"""The operator's own HTTP port: /livez, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from inventory_operator.metrics import STACK_CONDITIONS
from inventory_operator.runtime.metrics_access import RefusedError

if TYPE_CHECKING:
    from inventory_operator.runtime.metrics_access import MetricsAccess

Check = Callable[[], str | None]


async def start(port: int, live: Check, ready: Check, access: MetricsAccess) -> web.AppRunner:
    """Serve on every address; a check returns None when all is well, else the sentence that says what is not."""
    app = web.Application()
    app.router.add_get("/livez", _answer(live))
    app.router.add_get("/readyz", _answer(ready))
    app.router.add_get("/metrics", _metrics(access))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(_: web.Request) -> web.StreamResponse:
        trouble = check()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    return handle


def _metrics(access: MetricsAccess) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        """Answer the process' metrics, and those of the stacks in `?namespace=` and `?stack=` that the client may read.

        Without a token that is the one stack that it is a pod of, or none.
        """
        address, namespace, stack = (
            request.remote or "",
            request.query.get("namespace", ""),
            request.query.get("stack", ""),
        )
        stacks = STACK_CONDITIONS.only(namespace, stack)
        if authorization := request.headers.get("Authorization"):
            try:
                await access.check_all(address, authorization)
            except RefusedError as error:
                return web.Response(text=f"{error}\n", status=error.status)
        elif not access.is_of(address, (namespace, stack)):
            stacks = STACK_CONDITIONS.without_names()
        body = generate_latest() + generate_latest(stacks)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle
