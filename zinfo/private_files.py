"""Files that hold secrets: whether somebody else may read or change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OWNER = stat.S_IRWXU


def openness(path: Path) -> str:
    """Return what is wrong with a secret file's mode; an empty text where nothing is.

    Only the owner may have rights to it. A file of root's may be readable for a group, too: that is
    how secrets are mounted for a process that is not root, as by Kubernetes with an fsGroup.

    Args:
        path: the file; links are followed.
    """
    try:
        status = path.stat()
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    mode = stat.S_IMODE(status.st_mode)
    mounted = status.st_uid == 0 and os.geteuid() != 0
    if mode & ~(_OWNER | (stat.S_IRGRP if mounted else 0)):
        return f"{path}: found mode {mode:04o}, expected 0600, as it holds a secret: chmod 600 it"
    return ""
