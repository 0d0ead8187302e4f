"""`kubectl inventory`: what a person asks about stacks, and does with them, with the rights of their own kubeconfig.

The operator knows nothing of it.
"""
