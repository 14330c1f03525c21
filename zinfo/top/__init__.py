"""The live view, `zinfo top`: the model of all shards, and the views that draw it.

In reading order: `history` and `series_numbers` (the last minutes), `record` (one shard),
`event_log`, `known_names` and `model` (the whole model; its docstring lists what a view may call).
`zinfo.views` defines what is shown of it, and `glyphs` the characters. All of these are pure: no
threads, sockets, clocks or terminals.

`feed` fills the model from a daemon while a view looks at it: `wanted_fields` says which fields,
`table_reader`, `fields_reader` and `facts` read them of all shards, `event_reader` the events,
`history_feed` the past, `shard_feed` and `sections` a shard whose page is open. `once` and
`once_output` are `zinfo top --once`, and `saved_columns` the columns that a user has saved.
`log_bridge` shows log warnings as events; `source` is the interface between feed and views. The
views: `terminal/`, which alone needs textual, and `zinfo.demo`. `web/` serves the page, which
computes in the browser: it uses the readers, but not the model. Imports `zinfo.client`; `web/`
imports `zinfo.adapters`, too.
"""
