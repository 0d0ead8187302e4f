"""The routes: a blueprint for each noun. A view parses the request, calls `inventory`, and answers."""

from inventory_service.schemas.reading import register_adapter

# Before the first module with routes is imported, whichever that is.
register_adapter()
