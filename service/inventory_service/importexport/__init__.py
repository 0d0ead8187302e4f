"""Products and movements as files: rows read from and written as CSV and JSON lines.

It turns bytes into checked rows and rows into text, without the database. `upload` and `download` connect it to HTTP.
"""
