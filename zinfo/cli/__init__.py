"""The command line, one module a command; `app` is where to start reading."""
