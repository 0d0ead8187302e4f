"""The inventory service: products, stock, and a ledger of every change, over HTTP.

It knows nothing of Kubernetes nor of the operator that usually runs it.
"""
