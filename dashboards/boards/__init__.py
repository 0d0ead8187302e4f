"""The dashboards as code, a module for each: `python -m dashboards` regenerates the committed JSON, byte for byte.

Classic dashboard JSON only: file provisioning refuses the v2 format, which the SDK recommends whenever it is imported.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    # Its modules warn when they are first imported; these two import all that do.
    from grafana_foundation_sdk.builders import bargauge, dashboard

__all__ = ["bargauge", "dashboard"]
