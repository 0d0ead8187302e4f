"""The dashboards of a stack: their source (`boards`), and a preview without Grafana (`preview`).

Not what a stack gets: that is the JSON in templates/grafana.
"""
