"""Kubernetes on one machine for the demo and the tests: builds it, starts it, fills it with images.

Standard library only, so that it runs before anything is installed; it knows nothing of the operator's insides.
"""
