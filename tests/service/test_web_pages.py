"""The pages for the people in the store, in a real Chromium without JavaScript, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from tests.framework.server import DEADLINE, serving
from tests.framework.service_database import copied_file
from tests.service.browser import DESK, PHONE, running, visiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from tests.framework.server import Server

_numbers = itertools.count(1)
AXE = Axe()
Product = dict[str, Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as browser:
        yield browser


def group(kind: str) -> Any:
    """One worker runs all tests of one kind of database, in one browser and on one server."""
    return pytest.param(kind, marks=pytest.mark.xdist_group(f"web-pages-{kind}"))


@pytest.fixture(scope="module", params=[group("sqlite"), group("postgresql")])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("web")
    if request.param == "sqlite":
        url = copied_file(request.getfixturevalue("migrated_sqlite"), folder)
    else:
        cluster = request.getfixturevalue("cluster")
        cluster.create("web_pages", request.getfixturevalue("migrated"))
        url = cluster.url("web_pages")
    with serving(folder / "log", DATABASE_URL=url, LOAD_SAMPLE_DATA="true") as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with visiting(browser, server.url) as page:
        yield page


@pytest.fixture
def product(server: Server) -> Callable[..., Product]:
    """Create a product of its own for a test, over the API."""

    def make(**fields: Any) -> Product:
        number = next(_numbers)
        body = {"name": f"Lamp {number}", "sku": f"LAMP-{number}", "stock_level": 20, "price": 19.99} | fields
        answer = requests.post(f"{server.url}/api/products", json=body, timeout=DEADLINE)
        assert answer.status_code == 201, answer.text
        made: Product = answer.json()["product"]
        return made

    return make


def stock_of(server: Server, product: Product) -> int:
    return int(server.get(f"/api/products/{product['id']}").json()["product"]["stock_level"])


def counted(server: Server, metric: str, product: Product) -> float:
    """Return what a counter says of one product."""
    mark = f'product_id="{product["id"]}"'
    lines = [line for line in server.get("/metrics").text.splitlines() if line.startswith(metric) and mark in line]
    [line] = lines
    return float(line.split()[-1])


def movements(server: Server, product: Product) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = server.get(f"/api/products/{product['id']}/movements").json()["movements"]
    return listed


def open_product(page: Page, product: Product, action: str = "") -> None:
    page.goto(f"/products/{product['id']}")
    if action:
        page.locator("summary", has_text=action).click()


def test_a_product_is_found_from_the_list(page: Page, product: Callable[..., Product]) -> None:
    wanted = product(name="Green teapot", sku="TEAPOT-GREEN")
    page.goto("/")
    page.get_by_label("Search by SKU or name").fill("green tea")
    page.get_by_role("button", name="Show").click()
    assert page.locator("caption").inner_text() == "1 product for “green tea”"
    page.get_by_role("link", name="Green teapot").click()
    assert page.url.endswith(f"/products/{wanted['id']}")
    assert page.locator("h1").inner_text() == "Green teapot"
    page.goto("/?q=teapot-gr")
    assert page.locator("tbody tr").count() == 1
    page.goto("/?q=no such thing")
    assert "No product matches." in page.locator("main").inner_text()


def test_only_what_is_low_and_in_order(page: Page, product: Callable[..., Product]) -> None:
    for level in (3, 0, 10, 11):
        product(name=f"Shade {level}", stock_level=level)
    page.goto("/?q=Shade")
    page.get_by_label("Low stock only").check()
    page.get_by_label("Sort by").select_option("Stock, smallest first")
    page.get_by_role("button", name="Show").click()
    rows = [row.inner_text() for row in page.locator("tbody tr").all()]
    assert [re.findall(r"Shade (\d+)", row)[0] for row in rows] == ["0", "3", "10"]
    assert ["Out of stock" in row for row in rows] == [True, False, False]
    assert "Low" in rows[1]
    assert page.get_by_label("Low stock only").is_checked()
    page.goto("/low-stock")
    text = page.locator("main").inner_text()
    assert "Shade 3" in text
    assert "Shade 11" not in text


def test_pages_of_the_list_hold_every_product_once(page: Page, product: Callable[..., Product]) -> None:
    for number in range(60):
        product(name=f"Bolt {number:02}")
    page.goto("/?q=Bolt")
    first = page.locator("tbody th a").all_inner_texts()
    page.get_by_role("link", name="Next page").click()
    second = page.locator("tbody th a").all_inner_texts()
    assert first + second == [f"Bolt {number:02}" for number in range(60)]
    page.get_by_role("link", name="First page").click()
    assert page.locator("tbody th a").all_inner_texts() == first


def test_a_delivery(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product()
    open_product(page, lamp, "Take in a delivery")
    page.get_by_label("Quantity").locator("visible=true").fill("12")
    page.get_by_label("Note (optional)").locator("visible=true").fill("Delivery 81")
    page.get_by_role("button", name="Add to stock").click()
    assert page.get_by_role("status").inner_text() == "The delivery was added to the stock."
    assert page.locator(".figures dd").first.inner_text() == "32"
    assert stock_of(server, lamp) == 32
    newest = movements(server, lamp)[0]
    assert (newest["kind"], newest["delta"], newest["reason"]) == ("restock", 12, "Delivery 81")
    assert server.get("/api/restocks").json()["restock_logs"][0]["product_id"] == lamp["id"]
    restocks = [
        line for line in server.get("/metrics").text.splitlines() if line.startswith("restock_operations_total")
    ]
    assert [line.split()[-1] for line in restocks if f'product_id="{lamp["id"]}"' in line] == ["1.0"]


def test_an_adjustment_and_its_undoing(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product()
    open_product(page, lamp, "Adjust")
    page.get_by_label("Quantity").locator("visible=true").fill("15")
    page.get_by_label("Reason").locator("visible=true").fill("Broken in transport")
    page.get_by_role("button", name="Adjust the stock").click()
    assert stock_of(server, lamp) == 5
    assert page.locator(".badge").first.inner_text().lower() == "low"
    assert counted(server, "low_stock_alerts_total", lamp) == 1
    number = movements(server, lamp)[0]["id"]
    page.get_by_role("button", name=f"Undo movement {number}").click()
    assert page.get_by_role("status").inner_text() == "The movement was undone by an opposite one."
    assert stock_of(server, lamp) == 20
    assert "Undone by movement" in page.locator(f"#movement-{number}").inner_text()
    assert [movement["kind"] for movement in movements(server, lamp)] == ["reversal", "adjustment", "opening"]


def test_a_stock_take_of_what_somebody_else_changed(
    page: Page, server: Server, product: Callable[..., Product]
) -> None:
    lamp = product()
    open_product(page, lamp, "Count")
    requests.post(f"{server.url}/api/products/{lamp['id']}/restock", json={"quantity": 1}, timeout=DEADLINE)
    page.get_by_label("Counted").fill("18")
    page.get_by_role("button", name="Set the stock").click()
    assert "Somebody changed this product" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Counted").input_value() == "18"
    assert stock_of(server, lamp) == 21
    page.get_by_role("button", name="Set the stock").click()
    assert stock_of(server, lamp) == 18


def test_what_is_wrong_stands_beside_its_field(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product()
    open_product(page, lamp, "Adjust")
    page.get_by_label("Quantity").locator("visible=true").fill("21")
    page.get_by_label("Reason").locator("visible=true").fill("Sold at the market")
    page.get_by_role("button", name="Adjust the stock").click()
    error = page.locator("#adjust-quantity-error")
    assert "21" in error.inner_text() or "20" in error.inner_text()
    assert page.locator("#adjust-quantity").input_value() == "21"
    assert page.locator("#adjust-reason").input_value() == "Sold at the market"
    assert page.locator("#adjust-quantity").get_attribute("aria-invalid") == "true"
    page.locator("#adjust-quantity").fill("many")
    page.locator("#adjust-reason").fill("")
    page.get_by_role("button", name="Adjust the stock").click()
    assert page.locator(".field .error").count() == 2
    assert page.title().startswith("Error: ")
    assert (stock_of(server, lamp), len(movements(server, lamp))) == (20, 1)


def test_a_form_that_is_sent_twice_is_done_once(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product()
    open_product(page, lamp, "Take in a delivery")
    page.get_by_label("Quantity").locator("visible=true").fill("5")
    key = page.locator("form[action$=restock] input[name=form_key]").get_attribute("value")
    page.get_by_role("button", name="Add to stock").click()
    address = f"{server.url}/products/{lamp['id']}/restock"
    again = {"quantity": "5", "notes": "", "form_key": key}
    answers = [requests.post(address, again, allow_redirects=False, timeout=DEADLINE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303] * 3
    assert stock_of(server, lamp) == 25
    other = requests.post(address, again | {"quantity": "6"}, timeout=DEADLINE)
    assert "This form was sent before with other values" in other.text
    assert stock_of(server, lamp) == 25


def test_a_product_is_made_changed_and_deleted(page: Page, server: Server) -> None:
    page.goto("/")
    page.get_by_role("link", name="New product").click()
    page.get_by_label("Name").fill("Kettle")
    page.get_by_label("SKU").fill("  kettle-1 ")
    page.get_by_label("Price").fill("12,50")
    page.get_by_role("button", name=re.compile("Create")).click()
    assert page.locator("#product-price").get_attribute("aria-invalid") == "true"
    page.get_by_label("Price").fill("12.50")
    page.get_by_role("button", name=re.compile("Create")).click()
    assert page.locator(".sku").first.inner_text() == "kettle-1"
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill("Kettle, red")
    page.get_by_role("button", name="Save").click()
    assert page.locator("h1").inner_text() == "Kettle, red"
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("link", name=re.compile("Delete")).click()
    page.get_by_role("button", name=re.compile("Delete")).click()
    assert page.get_by_role("status").inner_text().startswith("The product was deleted")
    assert server.get("/api/products?q=kettle-1&limit=5").json()["products"] == []


def test_the_plot_shows_the_ledger(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product(stock_level=40, min_stock_threshold=10)
    for delta in (-35, 20):
        body = {"delta": delta, "reason": "sold"}
        requests.post(f"{server.url}/api/products/{lamp['id']}/adjust", json=body, timeout=DEADLINE)
    open_product(page, lamp)
    plot = page.locator("svg.plot.wide")
    assert plot.is_visible()
    assert not page.locator("svg.plot.narrow").is_visible()
    assert "from 0 before" in plot.locator("desc").text_content()
    assert "to 25 now, over 3 movements; the lowest level is 5, the highest 40." in plot.locator("desc").text_content()
    labels = {
        text.text_content(): float(text.get_attribute("y")) - 4
        for text in plot.locator("text.label[text-anchor=end]").all()
        if float(text.get_attribute("x")) < 60
    }
    scale = (labels["0"] - labels["40"]) / 40
    heights = [float(found) for found in re.findall(r"V([\d.]+)", plot.locator("path.line").get_attribute("d"))]
    assert [round((labels["0"] - height) / scale, 1) for height in heights] == [40, 5, 25]


def csv(text: str) -> dict[str, Any]:
    return {"name": "autumn.csv", "mimeType": "text/csv", "buffer": text.encode()}


def test_a_file_is_shown_before_it_is_imported(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product(stock_level=20)
    sku = f"NEW-{lamp['id']}"
    page.goto("/import")
    page.locator("#import-file").set_input_files([csv(f"sku,name,stock_level\n{lamp['sku']},,7\n{sku},Ladder,3\n")])
    page.get_by_role("button", name="Show what would happen").click()
    assert page.locator(".figures dd").all_inner_texts() == ["1", "1", "0"]
    assert "20" in page.locator("del").first.inner_text()
    assert stock_of(server, lamp) == 20
    page.get_by_role("button", name="Import now").click()
    assert page.get_by_role("status").inner_text() == "Imported: 1 created, 1 changed, 0 unchanged."
    assert stock_of(server, lamp) == 7
    assert movements(server, lamp)[0]["kind"] == "count"
    assert server.get(f"/api/products?q={sku}&limit=5").json()["products"][0]["stock_level"] == 3


def test_a_file_with_mistakes_changes_nothing(page: Page, server: Server, product: Callable[..., Product]) -> None:
    lamp = product()
    page.goto("/import")
    page.locator("#import-file").set_input_files([csv(f"sku,name,stock_level\n{lamp['sku']},,7\nX-1,Ladder,three\n")])
    page.get_by_role("button", name="Show what would happen").click()
    text = page.locator("main").inner_text()
    assert "3" in page.locator("tbody tr").first.inner_text()
    assert "stock_level" in text
    assert page.get_by_role("button", name="Import now").count() == 0
    assert stock_of(server, lamp) == 20
    page.goto("/import")
    page.get_by_role("button", name="Show what would happen").click()
    assert "Choose a file" in page.get_by_role("alert").inner_text()


def test_names_are_text_wherever_they_stand(page: Page, server: Server, product: Callable[..., Product]) -> None:
    evil = '<img src=x onerror="alert(1)"><b>Lamp</b>'
    lamp = product(name=evil, description="<script>alert(2)</script>", stock_level=1)
    body = {"delta": 1, "reason": "</td><script>alert(3)</script>"}
    requests.post(f"{server.url}/api/products/{lamp['id']}/adjust", json=body, timeout=DEADLINE)
    for path in ("/?q=onerror", f"/products/{lamp['id']}", f"/products/{lamp['id']}/edit", "/low-stock"):
        page.goto(path)
        assert page.locator("script, main img, main b").count() == 0, path
        assert evil in page.content().replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace(
            "&quot;", '"'
        )


PAGES = ("/", "/?q=nothing", "/products/1", "/products/new", "/products/1/edit", "/products/1/delete", "/low-stock",
         "/reservations", "/import", "/login", "/nowhere", "/docs")  # fmt: skip


def refuse_a_delivery(page: Page) -> None:
    page.goto("/products/1")
    page.locator("summary", has_text="Take in a delivery").click()
    page.locator("details[open]").get_by_label("Quantity").fill("many")
    page.get_by_role("button", name="Add to stock").click()
    assert page.get_by_role("alert").count() == 1


def refuse_a_product(page: Page) -> None:
    page.goto("/products/new")
    page.locator("main form button").click()
    assert page.get_by_role("alert").count() == 1


def preview_an_import(page: Page) -> None:
    page.goto("/import")
    page.locator("#import-file").set_input_files(
        [csv("sku,name,price,stock_level\nKB-MECH-87,,1.5,7\nX-9,Ladder,1,3\n")]
    )
    page.get_by_role("button", name="Show what would happen").click()
    assert page.locator("tbody tr").count() == 2


def refuse_an_import(page: Page) -> None:
    page.goto("/import")
    page.locator("#import-file").set_input_files([csv("sku,name,stock_level\nX-1,Ladder,three\n")])
    page.get_by_role("button", name="Show what would happen").click()
    assert page.get_by_role("alert").count() == 1


def assert_fit(page: Page, width: int) -> None:
    """axe-core's rules of WCAG 2.2 AA, with all that can be unfolded unfolded; axe looks at nothing that is hidden."""
    page.evaluate(
        "document.querySelectorAll('details').forEach(each => { each.removeAttribute('name'); each.open = true })"
    )
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("script, [onclick], [style]").count() == 0
    rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
    # What passed would be described element by element, which takes longer than the check; nobody looks at it.
    found = AXE.run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def assert_fits_all(page: Page) -> None:
    """Check a page on a desk and, after that, as it is laid out anew on a phone."""
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        assert_fit(page, width)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_fit_for_phones_and_for_screen_readers(browser: Browser, server: Server, path: str) -> None:
    """By axe, which is JavaScript of the test; the page has none."""
    with visiting(browser, server.url, java_script_enabled=True, bypass_csp=True) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path)
        assert_fits_all(page)
        assert [url for url in asked if not url.startswith(server.url)] == []


@pytest.mark.parametrize("send", [refuse_a_delivery, refuse_a_product, preview_an_import, refuse_an_import])
def test_each_answer_to_a_form_is_as_fit(browser: Browser, server: Server, send: Callable[[Page], None]) -> None:
    with visiting(browser, server.url, java_script_enabled=True, bypass_csp=True) as page:
        send(page)
        assert_fits_all(page)


def test_everything_can_be_reached_with_the_keyboard(page: Page, product: Callable[..., Product]) -> None:
    lamp = product()
    open_product(page, lamp)
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() == 0:
            break
        names.append(focused.inner_text() or focused.get_attribute("aria-label") or "")
    assert names[0] == "Skip to the content"
    for action in ("Products", "Low stock", "Import", "Edit", "Take in a delivery", "Adjust", "Count", "Undo"):
        assert action in names, names
    page.locator("summary", has_text="Take in a delivery").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("4")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(".figures dd").first.inner_text() == "24"


def test_at_the_ingress_port_as_well(browser: Browser, server: Server) -> None:
    with visiting(browser, f"http://127.0.0.1:{server.ingress_port}") as page:
        page.goto("/")
        assert page.locator("tbody tr").count() > 5
        page.get_by_role("link", name="The API behind these pages").click()
        assert page.locator("h1").inner_text() == "Inventory service: API"
        assert page.goto("/metrics").status == 404
