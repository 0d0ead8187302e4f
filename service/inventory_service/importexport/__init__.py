"""Products and movements as files: rows read from and written as CSV and JSON lines.

It never touches the database: it turns bytes into checked rows, and rows into text. Only `upload` and
`download` know HTTP.
"""
