"""The inventory service: products, stock, and a ledger of every change, over HTTP.

Runs with or without Kubernetes: the operator is one way to deploy it.
"""
