"""The HTTP server adapter: metrics, JSON API, event stream and health.

Imports `adapters.wsgi`, `query`, `metrics` and `security`. Begin with `server.py`, which names the
paths, then `routes.py` and `api.py`.
"""
