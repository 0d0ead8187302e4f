"""The commands: what `python -m inventory_service` can do besides serving.

They never write anything but their result to standard output: sentences about what went wrong go to standard error.
"""
