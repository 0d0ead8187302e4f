"""The routes: a blueprint for each noun, views that parse, ask the inventory and answer.

They never hold a rule of the inventory and never touch a table.
"""

from inventory_service.schemas.reading import register_adapter

# Before the first module with routes is imported, whichever that is.
register_adapter()
