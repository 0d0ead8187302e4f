"""The sample products of a demonstration: a small office and hardware shop, with some stock low and some out.

They are created only in a database in which no product was ever created.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from inventory_service.db.models import Product
from inventory_service.inventory import products, stock
from inventory_service.inventory.ledger import RESTOCK, Change, Origin

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class Sample(NamedTuple):
    """One sample; a threshold of None is the default one."""

    sku: str
    name: str
    price: str
    stock: int
    threshold: int | None
    description: str


_SAMPLES: Final = (
    Sample("KB-MECH-87", "Mechanical keyboard, 87 keys", "89.90", 42, None, "Hot-swappable brown switches, USB-C."),
    Sample("MS-ERGO-01", "Ergonomic mouse", "49.50", 63, None, "Vertical grip, 2.4 GHz and Bluetooth."),
    Sample("MN-27-QHD", "Monitor, 27 inch QHD", "279.00", 18, 5, "IPS, height adjustable, USB-C with 65 W."),
    Sample("HUB-USBC-7", "USB-C hub, 7 ports", "39.90", 8, None, "HDMI 4K60, Ethernet, card reader."),
    Sample("CAM-HD-1080", "Webcam 1080p", "59.00", 0, None, "With privacy shutter and two microphones."),
    Sample("HS-NC-200", "Headset, noise cancelling", "129.00", 27, None, "Over-ear, 30 hours of battery."),
    Sample("CBL-CAT6-5M", "Network cable CAT6, 5 m", "7.95", 240, 50, "Shielded, halogen free."),
    Sample("SSD-NVME-1T", "NVMe SSD, 1 TB", "84.90", 3, None, "PCIe 4.0, 5 years of warranty."),
    Sample("PSU-65W-GAN", "Power supply, 65 W GaN", "34.90", 55, 15, "Two USB-C, one USB-A."),
    Sample("STND-LAP-AL", "Laptop stand, aluminium", "29.90", 34, None, "Foldable, for 10 to 17 inches."),
)
_RESTOCKS: Final = (("KB-MECH-87", 20), ("CBL-CAT6-5M", 120), ("HS-NC-200", 15))


def load(session: Session, threshold: int) -> None:
    """Create the samples unless a product was ever created; `threshold` is the default one."""
    if session.scalar(select(Product.id).limit(1)) is not None:
        return
    origin = Origin(actor="sample-data")
    ids = {sample.sku: _create(session, sample, threshold, origin) for sample in _SAMPLES}
    for sku, quantity in _RESTOCKS:
        stock.restock(session, ids[sku], quantity, Change(RESTOCK, "Sample delivery"), origin)


def _create(session: Session, sample: Sample, threshold: int, origin: Origin) -> int:
    fields = {
        "sku": sample.sku,
        "name": sample.name,
        "description": sample.description,
        "price": Decimal(sample.price),
        "stock_level": sample.stock,
        "min_stock_threshold": threshold if sample.threshold is None else sample.threshold,
    }
    return products.create(session, fields, origin).id
