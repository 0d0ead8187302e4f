"""The database: connections, transactions, tables, migrations.

Not what the rows mean: that is the inventory's.
"""
