"""The rules of the inventory, in terms of sessions and models, without HTTP."""
