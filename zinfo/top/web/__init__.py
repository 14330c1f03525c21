"""`zinfo top --web`: the page for browsers, over the query endpoints of one daemon or several.

`server` has the paths; `remote_table` reads the table, and `remote_operations` passes the other
requests of the page on. Imports `zinfo.adapters` for the page and the HTTP server.
"""
