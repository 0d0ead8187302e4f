"""An import looks products up by an index, also where the database believes that there are few."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text
from tests.framework.service_app import prepared_app
from tests.framework.service_database import Plans

from inventory_service.context import context_of

PATH = "/api/import/products"
FILE = "sku,name,stock_level\nLAMP-1,Desk lamp,{}\nLAMP-2,Floor lamp,{}\n"


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_no_statement_reads_all_products(client, context, product, query):
    with context.database.writing() as session:
        session.execute(text("ANALYZE"))
    with Plans(context.database, "SELECT", "INSERT", "UPDATE") as plans:
        answers = [client.post(f"{PATH}{query}", data=FILE.format(n, n), content_type="text/csv") for n in (1, 2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    about = [plan for plan in plans if "products" in plan]
    assert len(about) >= (2 if query else 6)
    assert [plan for plan in about if "SCAN products" in plan or "Seq Scan on products" in plan] == []


def test_nor_does_the_check_of_the_ledgers_foreign_key(cluster, migrated_postgresql):
    """Its plan was made, and kept, when there was one product."""
    read = []
    with prepared_app(cluster.patient_url(migrated_postgresql), THREADS="3") as app:  # one connection
        database, client = context_of(app).database, app.test_client()
        client.post("/api/products", json={"name": "First", "sku": "FIRST"})
        with database.writing() as session:
            session.execute(text("ANALYZE"))
        for _ in range(10):  # PostgreSQL plans the first five for their values
            assert client.post("/api/products/1/restock", json={"quantity": 1}).status_code == 200

        @event.listens_for(database.engine, "commit")
        def ask(connection):
            query = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'products'"
            read.append(connection.exec_driver_sql(query).scalar())

        rows = "".join(f"s-{number},Lamp,1\n" for number in range(50))
        answer = client.post(PATH, data=f"sku,name,stock_level\n{rows}", content_type="text/csv")
        assert answer.status_code == 200
    [tuples] = read
    assert tuples < 50, tuples
