"""API tokens from a Secret: requests without one are refused, what watches the stack still works, and they rotate."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus

import pytest
from tests.framework.api import condition, eventually, stack
from tests.framework.database import secret
from tests.framework.prometheus import Prometheus
from tests.framework.stacks import NO_GRAFANA, is_replaced, pods, ready

pytestmark = pytest.mark.xdist_group("stack")

SPEC = {
    **NO_GRAFANA,
    "containerMetrics": "none",
    "service": {"loadSampleData": True, "authentication": {"tokensSecretName": "tokens"}},
}
READER, WRITER, ADMIN, NEXT = (f"{name}-0123456789abcdef" for name in ("reader", "writer", "admin", "next"))
#: Asks from inside of the pod: the API server, which proxies requests from outside, keeps Authorization for itself.
ASK = """
import json, sys, urllib.error, urllib.request
method, path, token, body = json.loads(sys.stdin.read())
headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + token} if token else {})
asked = urllib.request.Request("http://127.0.0.1:5000" + path, body.encode() or None, headers, method=method)
try:
    print(urllib.request.urlopen(asked, timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture
def ask(kubectl):
    def status(namespace: str, method: str, path: str, token: str = "", body: str = "") -> int:
        words = ["exec", "-i", "deployment/shop-inventory", "--", "python", "-c", ASK]
        run = kubectl.inside(namespace)

        def answer() -> int:
            found = int(run(*words, stdin=json.dumps([method, path, token, body])))
            return found if found != HTTPStatus.SERVICE_UNAVAILABLE else 0  # it was busy

        return eventually(answer, f"an answer to {method} {path}")

    return status


def test_tokens_come_from_a_secret_and_requests_without_one_are_refused(api, installed, new_namespace, ask) -> None:
    with new_namespace("tokens") as namespace:
        api.create(secret("tokens", {"till.read": READER, "shop.write": WRITER, "boss.admin": ADMIN}), namespace)
        api.apply(stack(spec=SPEC), namespace)
        found = eventually(lambda: ready(api, namespace), "the stack to be Ready")
        assert condition(found, "DatabaseAvailable")["status"] == "True"
        restock = ("POST", "/api/products/1/restock")
        five = '{"quantity": 5}'
        assert ask(namespace, "GET", "/api/products") == 401
        assert ask(namespace, "GET", "/api/products", "not-a-token-of-this-stack") == 401
        assert [ask(namespace, "GET", "/api/products", token) for token in (READER, WRITER, ADMIN)] == [200] * 3
        assert [ask(namespace, *restock, token, five) for token in ("", READER, WRITER)] == [401, 403, 200]
        for path in ("/livez", "/readyz", "/metrics", "/api/health"):
            assert ask(namespace, "GET", path) == 200, path
        prometheus = Prometheus(api, namespace, "shop")
        eventually(lambda: prometheus.query('up{job="service"} == 1'), "the scrape, which has no token")
        eventually(lambda: prometheus.query("product_stock_level"), "stock levels")

        (old,) = pods(api, namespace, "shop", "service")
        new = {"till.read": None, "shop.write": base64.b64encode(NEXT.encode()).decode()}
        api.patch("Secret", namespace, "tokens", {"data": new})

        def rotated() -> bool:
            return is_replaced(api, namespace, "service", [old["metadata"]["uid"]])

        eventually(rotated, "the service to be restarted with the new tokens")
        asked = [ask(namespace, "GET", "/api/products", token) for token in (READER, WRITER, NEXT, ADMIN)]
        assert asked == [401, 401, 200, 200]

        text = json.dumps([api.get("InventoryStack", namespace, "shop"), api.list("Event", namespace)])
        text += json.dumps([api.list("Deployment", namespace), api.list("ConfigMap", namespace)])
        assert not [token for token in (READER, WRITER, ADMIN, NEXT) if token in text]
