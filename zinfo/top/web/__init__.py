"""`zinfo top` in a browser: the same model, streamed as JSON to a page.

`server` has the HTTP resources; `channels` and `fleet_view` make what they send once for all pages;
`json_model` turns rows into JSON. Imports `zinfo.adapters` for the HTTP server.
"""
