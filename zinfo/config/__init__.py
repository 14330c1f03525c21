"""Typed, validated configuration: TOML file, then environment, then flags; later ones win.

    config = load_config(Path("zinfo.toml"), environ=os.environ)

Reading order: `types` and `source_types` (what a key accepts), `section`, `models`, `credentials`
and `source_models` (the tables), `conflicts` (rules between tables), `inputs`, `environment` and
`flags` (reading), `renamed` (old names of keys), `loading` (merging), `problems` (error texts),
`exposure` (files that other users can access).
"""

from __future__ import annotations

from zinfo.config.environment import environment_notes
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
