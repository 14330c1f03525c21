"""Server adapters: the queries of the ROUTER socket over other transports.

`wsgi` holds the bounded HTTP server that all of them run on; `http` (metrics, JSON API, event
stream, health) and `xmlrpc` translate requests to `zinfo.query`, and results to responses. Imports
`query`, `metrics`, `security` and what is below them. Begin with `wsgi/server.py`, then
`http/server.py`.
"""
