"""From a typed spec to the objects that are wanted, through the templates.

Not how they get into the cluster: nothing here reads or writes one.
"""
