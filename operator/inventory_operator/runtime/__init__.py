"""The process: start, watches, health, log, shutdown.

Not what is done for a stack: that is the controller's.
"""
