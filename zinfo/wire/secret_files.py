"""Checks whether other users may read or change files with secrets.

The check covers the mode and owner of the file, the directories above it, and how its file system
is mounted. Container systems mount secrets with modes that allow others to read them, and that no
user can change.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_OWNER = stat.S_IRWXU
_ENTER = stat.S_IXGRP | stat.S_IXOTH
_CHANGE = stat.S_IWGRP | stat.S_IWOTH

_SYSTEM_MOUNTS = frozenset({"/", "/dev", "/dev/shm", "/run", "/tmp"})
"""Mount points that are never mounts of secrets, though a service may see them read-only."""

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems in which Docker and Kubernetes mount secrets."""

_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # its inode: PROC_PID_INIT_INO of Linux' include/linux/proc_ns.h

Status = os.stat_result


def permission_problem(path: Path) -> str:
    """Return why other users can access a file with a secret; "" if they cannot.

    The owner must be root or this process's user, and no other user may read or change the file.
    Its mode may be wider than 0600 in these cases:

    - a file owned by root may be readable by a group: Kubernetes mounts secrets so with an fsGroup;
    - any mode is accepted below a directory that other users may not enter;
    - any mode is accepted on a read-only mount of an in-memory file system in a container: Docker
      mounts secrets so (0444), and Kubernetes without an fsGroup (0644).

    Args:
        path: the file; links are followed.
    """
    try:
        status = path.stat()
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    if status.st_uid not in (0, os.geteuid()):
        return (
            f"{path}: belongs to user {status.st_uid}, expected root or user {os.geteuid()}, "
            "as it holds a secret: chown it"
        )
    mode = stat.S_IMODE(status.st_mode)
    allowed = _OWNER | (stat.S_IRGRP if _is_from_root(status) else 0)
    if not mode & ~allowed or _is_unreachable(real := Path(os.path.realpath(path))):
        return ""
    advice = "chmod 600 it"
    if _is_read_only(real):
        advice = (
            "it is on a read-only mount, so mount it with mode 0400 for user "
            f"{os.geteuid()}, or 0440 for root and group {os.getegid()}"
        )
    elif _is_from_root(status):
        advice = f"have root chgrp it to {os.getegid()} and chmod 640 it"
    return f"{path}: found mode {mode:04o}, expected 0600, as it holds a secret: {advice}"


def write_access_problems(paths: Iterable[Path]) -> Iterator[str]:
    """Yield why other users can change or replace files or the directories above them.

    Each file or directory is reported once.

    Args:
        paths: the files; links are followed.
    """
    seen: set[Path] = set()
    for path in paths:
        real = Path(os.path.realpath(path))
        for place in (real, *real.parents):
            if place in seen:
                continue
            seen.add(place)
            if found := _changeable(place, is_parent=place != real):
                yield f"{path}: {found}" if place == real else f"{place}: {found} (above {path})"


def is_secret_mount(real: Path) -> bool:
    """Return whether a path is on an in-memory file system in a container.

    A container has a PID namespace of its own, so no other process can read the file. A service
    under systemd (ProtectSystem=strict) also sees the machine's file systems read-only, but shares
    its PID namespace.

    Args:
        real: an absolute path without links, on a read-only mount.
    """
    try:
        if Path("/proc/self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE:
            return False
        point, kind = _mount_of(real)
    except (OSError, ValueError):  # not Linux, or no /proc
        return False
    return kind in _IN_MEMORY and point not in _SYSTEM_MOUNTS


def _is_unreachable(real: Path) -> bool:
    """Return whether other users cannot read or change a file of any mode."""
    if any(_denies_others(directory) for directory in real.parents):
        return True
    return _is_read_only(real) and is_secret_mount(real)


def _is_from_root(status: Status) -> bool:
    return status.st_uid == 0 and os.geteuid() != 0


def _denies_others(directory: Path) -> bool:
    """Return whether only root, this process's user and a group chosen by root may enter."""
    try:
        status = directory.stat()
    except OSError:
        return False
    allowed = stat.S_IXGRP if _is_from_root(status) else 0
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & _ENTER & ~allowed


def _is_read_only(real: Path) -> bool:
    try:
        return bool(os.statvfs(real).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _changeable(place: Path, *, is_parent: bool) -> str:
    try:
        status = place.stat()
    except OSError:
        return ""
    if status.st_uid not in (0, os.geteuid()):
        return f"found user {status.st_uid} as its owner, expected root or this user"
    if _others_may_change(place, status, is_parent=is_parent):
        mode = stat.S_IMODE(status.st_mode)
        return f"found mode {mode:04o}, which lets other users change it: chmod go-w it"
    return ""


def _others_may_change(place: Path, status: Status, *, is_parent: bool) -> bool:
    bits = status.st_mode & _CHANGE
    if is_parent and status.st_mode & stat.S_ISVTX:
        return False  # as /tmp: only the owner of an entry may replace it
    if bits == stat.S_IWGRP and _is_private_group(status):
        bits = 0
    return bool(bits) and not _is_read_only(place)


def _is_private_group(status: Status) -> bool:
    """Return whether a group has only the owner as its member, as on many systems."""
    try:
        group, user = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:
        return False
    return user.pw_gid == status.st_gid and not set(group.gr_mem) - {user.pw_name}


def _mount_of(real: Path) -> tuple[str, str]:
    """Return the mount point of a path and the type of its file system.

    Raises:
        OSError: the system does not report them.
        ValueError: the system does not report them.
    """
    number = os.open(real, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        about = Path(f"/proc/self/fdinfo/{number}").read_text(encoding="utf-8")
    finally:
        os.close(number)
    facts = dict(line.split(":", 1) for line in about.splitlines() if ":" in line)
    mount = facts.get("mnt_id", "").strip()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        # id, parent, device, root, mount point, options, more of them, -, kind, ...
        words = line.split(" ")
        if words[0] == mount:
            return words[4], words[words.index("-", 6) + 1]
    raise ValueError(f"no mount {mount}")
