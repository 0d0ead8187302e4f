"""Kubernetes on one machine for the demo and the tests: builds it, starts it, fills it with images.

It needs Python's standard library only, so that it runs before anything is installed.
"""
