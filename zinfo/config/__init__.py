"""Typed, validated configuration: TOML file, then environment, then flags; the later one wins.

    config = load_config(Path("zinfo.toml"), environ=os.environ)

Reading order: `types` (what a key accepts), `models` (the sections), `sources` (reading),
`loading` (merging), `problems` (the words of errors), `exposure` (files that others may use).
"""

from __future__ import annotations

from zinfo.config.exposure import exposure_notes
from zinfo.config.loading import changed_keys, check_file, load_config
from zinfo.config.models import (
    BusConfig,
    ClientConfig,
    Config,
    LocalConfig,
    LogConfig,
    PollConfig,
    QueryConfig,
    SecurityConfig,
    ShardConfig,
    XmlRpcConfig,
)
from zinfo.config.sources import environment_notes
from zinfo.wire.redact import redact_url

__all__ = [
    "BusConfig",
    "ClientConfig",
    "Config",
    "LocalConfig",
    "LogConfig",
    "PollConfig",
    "QueryConfig",
    "SecurityConfig",
    "ShardConfig",
    "XmlRpcConfig",
    "changed_keys",
    "check_file",
    "environment_notes",
    "exposure_notes",
    "load_config",
    "redact_url",
]
