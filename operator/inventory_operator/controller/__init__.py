"""One stack at a time: which one is next, what is applied, what is reported.

Not the process around it: tasks, watches and signals are the runtime's.
"""
