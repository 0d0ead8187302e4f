"""The inventory operator: keeps every InventoryStack of a cluster as its spec says."""
