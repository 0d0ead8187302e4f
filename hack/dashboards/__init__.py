"""The dashboards of a stack as code: `python -m dashboards` regenerates the committed JSON, byte for byte.

Classic dashboard JSON only: file provisioning refuses the v2 format.
"""
