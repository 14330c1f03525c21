"""Files that hold secrets: whether somebody else may read or change them.

What counts is who really may: mode and owner of the file, the directories on the way to it, and how
its file system is mounted. Container systems mount secrets with modes by which others could read
them, and which nobody can change.
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

_OF_A_MACHINE = frozenset({"/", "/dev", "/dev/shm", "/run", "/tmp"})
"""Mount points that are no mount of secrets, though a service may see them read-only."""

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems in which Docker and Kubernetes mount secrets."""

_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # its inode: PROC_PID_INIT_INO of Linux' include/linux/proc_ns.h

Status = os.stat_result


def permission_problem(path: Path) -> str:
    """Return why a file is not secret enough; an empty text where it is.

    Its owner is root or this process's user, and nobody else may read or change it. It may have a
    mode by which others could where these cannot:

    - a file of root's may be readable for a group: so Kubernetes mounts secrets with an fsGroup;
    - the mode does not matter below a directory that others may not enter;
    - nor on the read-only mount of a file system in memory inside a container: so Docker mounts
      secrets (0444), and Kubernetes without an fsGroup (0644).

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
    allowed = _OWNER | (stat.S_IRGRP if _is_roots_for_us(status) else 0)
    if not mode & ~allowed or _nobody_reaches(real := Path(os.path.realpath(path))):
        return ""
    advice = "chmod 600 it"
    if _is_read_only(real):
        advice = (
            "it is on a read-only mount, so mount it with mode 0400 for user "
            f"{os.geteuid()}, or 0440 for root and group {os.getegid()}"
        )
    elif _is_roots_for_us(status):
        advice = f"have root chgrp it to {os.getegid()} and chmod 640 it"
    return f"{path}: found mode {mode:04o}, expected 0600, as it holds a secret: {advice}"


def write_access_problems(paths: Iterable[Path]) -> Iterator[str]:
    """Yield what lets others change or replace files or directories, each place once.

    Args:
        paths: of the files; links are followed.
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
    """Return whether a path is on a mount in memory, in a container's own set of processes.

    There nobody else is who could read it. A service that systemd locks up (ProtectSystem=strict)
    sees the machine's own file systems read-only, and shares its processes.

    Args:
        real: absolute, without links; known to be on a read-only mount.
    """
    try:
        if Path("/proc/self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE:
            return False
        point, kind = _mount_of(real)
    except (OSError, ValueError):  # not Linux, or no /proc
        return False
    return kind in _IN_MEMORY and point not in _OF_A_MACHINE


def _nobody_reaches(real: Path) -> bool:
    """Return whether others cannot read or change a file, whatever its mode."""
    if any(_keeps_others_out(directory) for directory in real.parents):
        return True
    return _is_read_only(real) and is_secret_mount(real)


def _is_roots_for_us(status: Status) -> bool:
    return status.st_uid == 0 and os.geteuid() != 0


def _keeps_others_out(directory: Path) -> bool:
    """Return whether only root, this process's user and a group of root's choice may enter."""
    try:
        status = directory.stat()
    except OSError:
        return False
    allowed = stat.S_IXGRP if _is_roots_for_us(status) else 0
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
        return f"found mode {mode:04o}, by which others may change it: chmod go-w it"
    return ""


def _others_may_change(place: Path, status: Status, *, is_parent: bool) -> bool:
    bits = status.st_mode & _CHANGE
    if is_parent and status.st_mode & stat.S_ISVTX:
        return False  # as in /tmp: only who owns what is in it may replace that
    if bits == stat.S_IWGRP and _is_private_group(status):
        bits = 0
    return bool(bits) and not _is_read_only(place)


def _is_private_group(status: Status) -> bool:
    """Return whether a group is that of its user alone, as many systems make them."""
    try:
        group, user = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:
        return False
    return user.pw_gid == status.st_gid and not set(group.gr_mem) - {user.pw_name}


def _mount_of(real: Path) -> tuple[str, str]:
    """Return the mount point of a path and the kind of its file system.

    Raises:
        OSError: the system does not tell.
        ValueError: likewise.
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
