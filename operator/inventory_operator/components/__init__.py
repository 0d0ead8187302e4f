"""What is particular to a component: what it refers to, who checks its configuration, what it waits for.

Not what all of them have in common: that is the controller's.
"""
