"""The XML-RPC server adapter.

`codec` reads calls and writes responses; `server` answers them from `zinfo.query`.
Imports `adapters.wsgi` and `query`. Begin with `server.py`.
"""
