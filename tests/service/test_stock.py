"""Changes of stock by hand: adjust, count, several at once, undo; what the ledger says, and when an alert fires."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.framework.service_app import prepared_app

MOVEMENT_FIELDS = {
    "id", "product_id", "product_name", "product_sku", "kind", "delta", "balance_after", "reason", "reference", "actor",
    "request_id", "at", "reverses", "low_stock_alert", "out_of_stock_alert",
}  # fmt: skip


def create(client, sku, **fields):
    answer = client.post("/api/products", json={"name": f"Product {sku}", "sku": sku, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json["product"]


def adjust(client, product, delta, **fields):
    return client.post(f"/api/products/{product['id']}/adjust", json={"delta": delta, "reason": "because", **fields})


def movements(client, product):
    return client.get(f"/api/products/{product['id']}/movements").json["movements"]


def level(client, product):
    return client.get(f"/api/products/{product['id']}").json["product"]["stock_level"]


def test_adjust(client, product):
    answer = adjust(client, product, -3, reason="Broken", reference="report 7")
    assert answer.status_code == 200
    assert answer.json["product"]["stock_level"] == 17
    movement = answer.json["movement"]
    assert set(movement) == MOVEMENT_FIELDS
    expected = {"kind": "adjustment", "delta": -3, "balance_after": 17, "reason": "Broken", "reference": "report 7"}
    assert {field: movement[field] for field in expected} == expected
    assert movement["at"] == answer.json["product"]["updated_at"]
    assert answer.headers["ETag"] == client.get(f"/api/products/{product['id']}").headers["ETag"]
    assert movements(client, product)[0] == movement
    assert client.get(f"/api/movements/{movement['id']}").json["movement"] == movement


def test_what_is_not_there_can_not_be_taken(client, product):
    answer = adjust(client, product, -21)
    assert answer.status_code == 409
    assert answer.json["type"] == "urn:inventorystack:problem:insufficient-stock"
    assert "LAMP-1" in answer.json["error"]
    assert "20 are available" in answer.json["error"]
    assert "21 were asked for" in answer.json["error"]
    assert level(client, product) == 20
    assert len(movements(client, product)) == 1
    assert adjust(client, product, -20).status_code == 200
    assert adjust(client, product, -1).status_code == 409


@pytest.mark.parametrize("delta", [2**31 - 1, 2**31 - 20])
def test_a_stock_has_a_limit(client, product, delta):
    answer = adjust(client, product, delta)
    assert answer.status_code == 400
    assert answer.json["type"] == "urn:inventorystack:problem:stock-limit"
    assert level(client, product) == 20


@pytest.mark.parametrize("delta", [-(2**31) + 1, -(2**31) + 20])
def test_the_largest_take(client, product, delta):
    assert adjust(client, product, delta).status_code == 409


def test_count(client, product):
    answer = client.post(f"/api/products/{product['id']}/count", json={"quantity": 18, "reason": "Stock-take"})
    assert answer.status_code == 200
    movement = answer.json["movement"]
    assert (movement["kind"], movement["delta"], movement["balance_after"]) == ("count", -2, 18)
    same = client.post(f"/api/products/{product['id']}/count", json={"quantity": 18}).json["movement"]
    assert (same["delta"], same["balance_after"]) == (0, 18)


def test_several_at_once_are_summed_by_product(client, product):
    other = create(client, "OTHER", stock_level=1)
    lines = [
        {"product_id": other["id"], "delta": 4},
        {"product_id": product["id"], "delta": -25},
        {"product_id": product["id"], "delta": 10},
    ]
    answer = client.post("/api/movements", json={"lines": lines, "reason": "Exchange", "reference": "x-1"})
    assert answer.status_code == 200, answer.text
    assert [(line["product_id"], line["delta"], line["balance_after"]) for line in answer.json["movements"]] == [
        (product["id"], -15, 5),
        (other["id"], 4, 5),
    ]
    assert {line["reference"] for line in answer.json["movements"]} == {"x-1"}


@pytest.mark.parametrize("last", [{"delta": -6}, {"product_id": 999, "delta": 1}])
def test_several_at_once_are_all_or_nothing(client, product, last):
    other = create(client, "OTHER", stock_level=5)
    lines = [{"product_id": product["id"], "delta": -1}, {"product_id": other["id"], **last}]
    answer = client.post("/api/movements", json={"lines": lines, "reason": "Exchange"})
    assert answer.status_code == (409 if last["delta"] == -6 else 404)
    assert (level(client, product), level(client, other)) == (20, 5)
    assert len(movements(client, product)) == 1


def test_sums_beyond_an_integer_are_refused(client, product):
    lines = [{"product_id": product["id"], "delta": 2**31 - 1}] * 100
    assert client.post("/api/movements", json={"lines": lines, "reason": "much"}).status_code == 400
    lines = [{"product_id": product["id"], "delta": -(2**31) + 1}] * 100
    assert client.post("/api/movements", json={"lines": lines, "reason": "much"}).status_code == 409


def test_undo(client, product):
    taken = adjust(client, product, -5, reference="order 7").json["movement"]
    answer = client.post(f"/api/movements/{taken['id']}/undo", json={"reason": "Wrong product"})
    assert answer.status_code == 200, answer.text
    undone = answer.json["movement"]
    expected = {
        "kind": "reversal", "delta": 5, "balance_after": 20, "reverses": taken["id"], "reference": "order 7",
        "reason": "Wrong product",
    }  # fmt: skip
    assert {field: undone[field] for field in expected} == expected
    again = client.post(f"/api/movements/{taken['id']}/undo", json={})
    assert again.status_code == 409
    assert f"by movement {undone['id']}" in again.json["error"]
    redone = client.post(f"/api/movements/{undone['id']}/undo", json={})
    assert redone.json["movement"]["delta"] == -5
    assert level(client, product) == 15


def test_undo_takes_only_what_is_there(client, product):
    restock = client.post(f"/api/products/{product['id']}/restock", json={"quantity": 5}).json["restock_log"]
    adjust(client, product, -24)
    answer = client.post(f"/api/movements/{restock['id']}/undo", json={})
    assert answer.status_code == 409
    assert level(client, product) == 1
    assert client.post("/api/movements/999/undo", json={}).status_code == 404
    assert client.post(f"/api/movements/{2**70}/undo", json={}).status_code == 404


@pytest.mark.parametrize("statement", ["UPDATE stock_movements SET delta = 1", "DELETE FROM stock_movements"])
def test_the_database_itself_keeps_the_ledger(context, client, product, statement):
    with pytest.raises(Exception, match="append-only"), context.database.writing() as session:
        session.execute(text(statement))
    assert movements(client, product)[0]["delta"] == 20


def test_an_alert_fires_once_for_each_crossing(client, product):
    """The threshold is 10. The ledger tells which movements fired, the metric how many."""
    for delta in (-9, -1, -1, +1, +1, -1, -9, -1, +30):
        assert adjust(client, product, delta).status_code == 200
    fired = [
        (line["balance_after"], line["low_stock_alert"], line["out_of_stock_alert"])
        for line in movements(client, product)
    ]
    assert fired[::-1] == [
        (20, False, False),
        (11, False, False),
        (10, True, False),
        (9, False, False),
        (10, False, False),
        (11, False, False),
        (10, True, False),
        (1, False, False),
        (0, False, True),
        (30, False, False),
    ]
    metrics = client.get("/metrics").text
    labels = f'product_id="{product["id"]}",product_name="Desk lamp"'
    assert f"low_stock_alerts_total{{{labels}}} 2.0\n" in metrics
    assert f"out_of_stock_alerts_total{{{labels}}} 1.0\n" in metrics


def test_one_movement_can_fire_both(client, product):
    movement = adjust(client, product, -20).json["movement"]
    assert (movement["low_stock_alert"], movement["out_of_stock_alert"]) == (True, True)


def test_hysteresis_keeps_a_wavering_stock_quiet(database_url):
    with prepared_app(database_url, LOW_STOCK_HYSTERESIS="3") as app:
        client = app.test_client()
        product = create(client, "WAVE", stock_level=20)
        # threshold 10: armed again above 13, not at it
        for delta in (-10, +2, -2, +3, -3, +4, -4):
            adjust(client, product, delta)
        fired = [line["low_stock_alert"] for line in movements(client, product)][::-1]
        assert fired == [False, True, False, False, False, False, False, True]


def test_a_restock_by_an_older_pod_arms_the_alert(context, client, product):
    """It raises the stock without knowing of `low_stock_since`."""
    assert adjust(client, product, -15).json["movement"]["low_stock_alert"]
    with context.database.writing() as session:
        session.execute(text("UPDATE products SET stock_level = 40"))
    assert adjust(client, product, -35).json["movement"]["low_stock_alert"]


def test_the_state_behind_the_alerts(client, product):
    assert client.get("/api/low-stock").json == {"success": True, "products": []}
    empty = create(client, "EMPTY")
    low = adjust(client, product, -12).json
    states = client.get("/api/low-stock").json["products"]
    assert [(each["product"]["sku"], each["state"]) for each in states] == [("EMPTY", "out"), ("LAMP-1", "low")]
    assert states[0]["low_stock_since"] == empty["created_at"]
    assert states[1]["low_stock_since"] == low["movement"]["at"]
    adjust(client, product, -1)
    assert client.get("/api/low-stock").json["products"][1]["low_stock_since"] == low["movement"]["at"]


def test_a_threshold_above_the_stock_is_a_state_and_no_alert(client, product):
    client.put(f"/api/products/{product['id']}", json={"min_stock_threshold": 20})
    assert client.get("/api/low-stock").json["products"][0]["state"] == "low"
    assert "low_stock_alerts_total{" in client.get("/metrics").text
    assert not any(line["low_stock_alert"] for line in movements(client, product))


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("adjust", {"delta": 1.5, "reason": "x"}, "delta must be a whole number from"),
        ("adjust", {"delta": "1", "reason": "x"}, "delta must be a whole number from"),
        ("adjust", {"delta": 2**31, "reason": "x"}, "delta must be a whole number from"),
        ("adjust", {"delta": 1}, "reason is required: a text of 1 to 500 characters, not blank"),
        ("adjust", {"delta": 1, "reason": " "}, "reason must be a text of 1 to 500"),
        (
            "adjust",
            {"delta": 1, "reason": "x", "note": "y"},
            "note is not a field of this request; it takes delta, reason",
        ),
        ("count", {"quantity": -1}, "quantity must be a whole number from 0"),
        ("count", {}, "quantity is required"),
    ],
)
def test_refusals_name_the_field(client, product, path, body, field):
    answer = client.post(f"/api/products/{product['id']}/{path}", json=body)
    assert answer.status_code == 400
    assert field in answer.json["error"]
    assert level(client, product) == 20


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "lines must be a list of 1 to 100 lines"),
        ([{"product_id": 1, "delta": 1}] * 101, "lines must be a list of 1 to 100 lines"),
        ([{"product_id": 1, "delta": 1}, {"product_id": 1}], "lines[1].delta is required"),
        (
            [{"product_id": 1, "delta": 1, "x": 1}],
            "lines[0].x is not a field of this request; it takes product_id, delta",
        ),
        ([7], "lines[0] must be a JSON object"),
    ],
)
def test_refusals_name_the_line(client, lines, sentence):
    answer = client.post("/api/movements", json={"lines": lines, "reason": "x"})
    assert answer.status_code == 400
    assert sentence in answer.json["error"]


def test_new_routes_want_json(client, product):
    answer = client.post(f"/api/products/{product['id']}/adjust", data='{"delta": 1, "reason": "x"}')
    assert answer.status_code == 415
    assert answer.json["error"] == "The body must be JSON, with Content-Type application/json."
