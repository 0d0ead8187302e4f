"""What watches and lists have shown of the cluster, kept in memory.

Not what follows from it: nothing here decides or writes.
"""
