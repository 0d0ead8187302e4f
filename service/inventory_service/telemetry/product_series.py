"""The series of products as text, rendered when a product changes and kept until it changes again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inventory_service.telemetry.stock_cache import ProductRow


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    kind: str
    documentation: str

    def header(self, *, openmetrics: bool) -> str:
        """Return HELP and TYPE; OpenMetrics names a counter without its `_total`."""
        name = self.name.removesuffix("_total") if openmetrics else self.name
        return f"# HELP {name} {self.documentation}\n# TYPE {name} {self.kind}\n"


FAMILIES: Final = (
    _Family("product_stock_level", "gauge", "Stock on hand of a product."),
    _Family("product_low_stock_threshold", "gauge", "Stock at or below which a product is low."),
    _Family("low_stock_alerts_total", "counter", "Times the stock of a product fell to its threshold or below."),
    _Family("out_of_stock_alerts_total", "counter", "Times the stock of a product fell to nothing."),
    _Family("restock_operations_total", "counter", "Restocks of a product."),
)


class ProductSeries:
    """The lines of every exported product; not for two threads at once."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[ProductRow, Sequence[str]]] = {}

    def render(self, rows: Mapping[int, ProductRow]) -> Sequence[str]:
        """Return the samples of each family in FAMILIES."""
        lines = {}
        for product_id, row in rows.items():
            kept = self._lines.get(product_id)
            lines[product_id] = kept if kept is not None and kept[0] == row else (row, _lines(row))
        self._lines = lines
        return ["".join([each[number] for _, each in lines.values()]) for number in range(len(FAMILIES))]


def exposition(samples: Sequence[str], *, openmetrics: bool) -> str:
    """Return whole families; a family without samples has its header, so that its type is known."""
    families = zip(FAMILIES, samples or [""] * len(FAMILIES), strict=True)
    return "".join([family.header(openmetrics=openmetrics) + lines for family, lines in families])


def _lines(row: ProductRow) -> Sequence[str]:
    product = f'product_id="{row.id}",product_name="{_escape(row.name)}"'
    labels, with_sku = f"{{{product}}}", f'{{{product},sku="{_escape(row.sku)}"}}'
    samples = (
        (with_sku, row.stock_level),
        (with_sku, row.min_stock_threshold),
        (labels, row.low_stock_alerts),
        (labels, row.out_of_stock_alerts),
        (labels, row.restock_operations),
    )
    return tuple([f"{family.name}{text} {value}.0\n" for family, (text, value) in zip(FAMILIES, samples, strict=True)])


def _escape(text: str) -> str:
    """Both formats escape these three, and nothing else."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
