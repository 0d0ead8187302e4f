"""The API of a stack: its spec as types, and the names and labels of its objects.

Not the API server's: nothing here makes a request.
"""
