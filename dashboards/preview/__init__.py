"""Dashboards without Grafana: every panel drawn from a running Prometheus, as PNGs and as one page.

It reads what the boards wrote and never writes it; it shows what fills a dashboard, not how Grafana looks.
"""
