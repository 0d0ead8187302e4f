"""The commands: what `python -m inventory_service` can do besides serving.

Results go to standard output, errors to standard error.
"""
