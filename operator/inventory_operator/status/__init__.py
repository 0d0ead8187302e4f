"""The status of a stack, told from what was observed.

Not how it is written: nothing here makes a request or reads a clock.
"""
