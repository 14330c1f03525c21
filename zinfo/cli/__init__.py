"""The command line, one module per command.

Begin reading at `app`, then `client_options` (options of the commands that query a daemon), and
`output` and `format` (how they print). Imports `zinfo.client`; `serve`, `record`, `replay`, `top`
and `demo` import their packages when they run.
"""
