"""A WSGI server on gevent that limits the resources of each client.

It checks request heads, host names and origins, and limits the connections of each address and
client; it has no routes of its own. Imports `loop` and errors. Begin with `server.py`, then
`handler.py`.
"""
