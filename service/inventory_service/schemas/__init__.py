"""The edge: what requests may hold, and what answers look like, as pydantic models.

They never touch the database; OpenAPI is made from them, so that the document can't say anything else.
"""
