"""A WSGI server under gevent that bounds what each client may use.

It checks request heads, host names and origins, and limits connections for each client address; it
knows no path and no operation. Imports `loop` and errors. Begin with `server.py`, then
`handler.py`.
"""
