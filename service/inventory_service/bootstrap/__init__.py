"""What is done before the service can serve: the schema, sample products, tokens from files.

Not what goes on while it serves: that is the background's.
"""
