"""The Kubernetes API as the operator uses it: requests, kinds, ownership of fields, Events, leadership.

Not what a stack consists of: nothing here reads a spec.
"""
