"""`zinfo demo`: starts servers, load and a daemon, shows them live, and removes everything again.

Begin reading at `run`. The rest, in order of use: `program` (finds a server program), `children`
with `launch` and `reaper` (child processes that leave nothing behind), `servers`, `daemon_process`,
`load`, `outages` (kills and restarts), `feed` (reads from the daemon), `screen` (what is shown),
`view` (on a terminal), `lines` (on a pipe). Imports `zinfo.top` for the model and its formatting.
"""
