"""Pods that answer as those of a stack do: one program for the service and Prometheus of all stacks.

The shapes are real; the numbers are not. Run as a process of its own: what it costs is not the operator's.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ADDRESS: Final = "127.9.60.1"
PORTS: Final = {"service": 5000, "prometheus": 9090, "grafana": 3000}
#: As many as a page of 25 kB has.
_REQUESTS: Final = 200
_OLDEST, _STARTED = "prometheus_tsdb_lowest_timestamp_seconds", "process_start_time_seconds"
_CONTAINER = ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes")


def page() -> bytes:
    """Return what a pod of the service shows with five products."""
    lines = ["# TYPE http_requests_total counter"]
    lines += [f'http_requests_total{{endpoint="/{n}",method="GET",status="200"}} {n}.0' for n in range(_REQUESTS)]
    lines += ["# TYPE http_request_duration_seconds histogram"]
    bucket = 'http_request_duration_seconds_bucket{{endpoint="/",le="{}",method="GET"}} 1.0'
    lines += [bucket.format(n) for n in range(_REQUESTS)]
    lines += ["# TYPE product_operations_total counter", "# TYPE product_stock_level gauge"]
    lines += [f'product_stock_level{{product_id="{n}",product_name="p",sku="S{n}"}} {n}.0' for n in range(5)]
    lines += ["# TYPE low_stock_alerts_total counter", "# TYPE restock_operations_total counter"]
    return ("\n".join(lines) + "\n").encode()


def answers(pods: list[str]) -> dict[str, list[dict[str, object]]]:
    """Return the series of each query, by a word that only this query has."""
    return {
        "product_stock_level": [{"metric": {"product_id": str(n)}, "value": [0, str(n)]} for n in range(5)],
        _CONTAINER[0]: [
            {"metric": {"__name__": name, "pod": pod}, "value": [0, "1"]} for name in _CONTAINER for pod in pods
        ],
        _OLDEST: [
            {"metric": {"__name__": _OLDEST}, "value": [0, "1000"]},
            {"metric": {"__name__": _STARTED}, "value": [0, "2000"]},
            {"metric": {"of": "age"}, "value": [0, "5"]},
        ],
        "alertmanager_notification": [
            {"metric": {"of": "scraped"}, "value": [0, "18"]},
            {"metric": {"of": "tried", "integration": "webhook"}, "value": [0, "2"]},
        ],
    }


def _targets(pods: list[str]) -> dict[str, object]:
    labels = {f"__meta_kubernetes_pod_label_{n}": "x" * 30 for n in range(30)}
    found = [
        {"discoveredLabels": {**labels, "__meta_kubernetes_pod_name": pod}, "health": "up", "lastError": ""}
        for pod in pods
    ]
    return {"activeTargets": found}


def _vector(result: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


async def _source(request: web.Request) -> web.Response:
    """Say where Grafana's data source leads: its user is called as the stack is."""
    login = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
    url = f"http://{login.partition(':')[0]}-prometheus:9090"
    return web.json_response({"type": "prometheus", "url": url})


async def _search(request: web.Request) -> web.Response:
    return web.json_response([{"uid": uid} for uid in request.query.getall("dashboardUIDs")])


async def serve(services: list[str], others: list[str]) -> None:
    """Answer for ever; the names are those of all pods of the service, and of all others."""
    text, series = page(), answers([*services, *others])
    targets = json.dumps({"data": _targets(services)}).encode()
    bodies = {word: _vector(result) for word, result in series.items()}
    one = _vector([{"metric": {}, "value": [0, "1"]}])

    async def query(request: web.Request) -> web.Response:
        expression = request.query["query"]
        return web.Response(body=next((body for word, body in bodies.items() if word in expression), one))

    def fixed(body: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(_: web.Request) -> web.Response:
            return web.Response(body=body)

        return handle

    app = web.Application()
    app.router.add_get("/metrics", fixed(text))
    app.router.add_get("/api/v1/targets", fixed(targets))
    app.router.add_get("/api/v1/query", query)
    app.router.add_get("/api/v1/status/runtimeinfo", fixed(b'{"data":{"reloadConfigSuccess":true}}'))
    app.router.add_get("/api/datasources/uid/prometheus/health", fixed(b'{"message":"","status":"OK"}'))
    app.router.add_get("/api/datasources/uid/prometheus", _source)
    app.router.add_get("/api/search", _search)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for port in PORTS.values():
        await web.TCPSite(runner, ADDRESS, port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1].split(","), sys.argv[2].split(",")))
