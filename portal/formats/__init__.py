"""File formats: rows in, bytes out. Nothing here knows a database, a request or a server."""
