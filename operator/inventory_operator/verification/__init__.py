"""Asks the running parts of a stack whether they do together what the stack is for: one module for each check.

Not here: whether pods are available, which is the status', and anything that is written.
"""
