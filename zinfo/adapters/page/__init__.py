"""The page for browsers: its files, its definitions, and the stream of the table that it shows.

The page computes everything in the browser (filters, totals, rates, problems) from a stream of raw
values, so that open pages cost next to nothing here. In reading order: `readings` (what a source
of the table gives), `column_changes` and `table_view` (messages of what changed, made once for all
pages that show the same), `table_pacing` and `table_stream` (the HTTP resource), `daemon_table`
(the source inside a daemon). `definitions` has the definitions of `zinfo.views` as JSON, and
`resources` the files. `mount` puts all together for an HTTP server. Imports `adapters.http`.
"""
