"""What a serving process does besides answering: audits, and deleting what has expired.

Not the rules that it audits by: they are the inventory's.
"""
