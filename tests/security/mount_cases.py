"""Secret files as container systems mount them, in a mount namespace of their own; run as root.

Run by `unshare --mount`: `python -m tests.security.mount_cases DIRECTORY`. It prints a line for
each case: what `permission_problem` says of it to user 10001, as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

from zinfo.wire import secret_files
from zinfo.wire.secret_files import permission_problem

UID = 10001
"""The user of zinfo's image."""

_SET_DUMPABLE = 4  # PR_SET_DUMPABLE: whose /proc/PID is


def run(*words: object) -> None:
    """Run a command that must succeed."""
    subprocess.run([str(word) for word in words], check=True)


def secret(path: Path, mode: int, uid: int = 0, gid: int = 0) -> Path:
    """Write a secret file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("s3cret")
    path.chmod(mode)
    os.chown(path, uid, gid)
    return path


def docker_secret(base: Path, mode: int) -> Path:
    """As Docker does for a service: each secret a read-only mount of a file in a tmpfs."""
    run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", base / "mounts")
    source = secret(base / "mounts" / "id", mode)
    target = base / "run" / "secrets" / "redis-password"
    target.parent.mkdir(parents=True)
    target.touch()
    run("mount", "--bind", source, target)
    run("mount", "-o", "remount,bind,ro", target)
    return target


def kubernetes_secret(base: Path, mode: int, gid: int = 0, *, read_only: bool = True) -> Path:
    """As the kubelet does: a tmpfs with links to a directory that can be replaced as a whole."""
    volume = base / "volume"
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", volume)
    secret(volume / "..2026_01_01" / "redis-password", mode, gid=gid)
    (volume / "..data").symlink_to("..2026_01_01")
    (volume / "redis-password").symlink_to("..data/redis-password")
    target = base / "etc" / "secrets"
    target.mkdir(parents=True)
    run("mount", "--bind", volume, target)
    if read_only:
        run("mount", "-o", "remount,bind,ro", target)
    return target / "redis-password"


def bound_directory(base: Path, mode: int, uid: int = 0, gid: int = 0) -> Path:
    """As `docker run --volume ./secrets:/etc/secrets:ro`: a directory of the host's disk."""
    secret(base / "volume" / "redis-password", mode, uid, gid)
    target = base / "etc" / "secrets"
    target.mkdir(parents=True)
    run("mount", "--bind", base / "volume", target)
    run("mount", "-o", "remount,bind,ro", target)
    return target / "redis-password"


def in_directory(base: Path, directory_mode: int, uid: int = 0, gid: int = 0) -> Path:
    """A file of mode 0644 below a directory on the disk."""
    file = secret(base / "hidden" / "below" / "redis-password", 0o644)
    os.chown(base / "hidden", uid, gid)
    (base / "hidden").chmod(directory_mode)
    return file


def cases(base: Path) -> dict[str, Path]:
    """Make all cases; returns the file of each."""

    def place(name: str) -> Path:
        for part in ("", "volume", "mounts"):
            (base / name / part).mkdir(parents=True, exist_ok=True)
            (base / name / part).chmod(0o755)
        return base / name

    return {
        "Docker 0444": docker_secret(place("a"), 0o444),
        "Docker 0400 of root": docker_secret(place("b"), 0o400),
        "Kubernetes 0644": kubernetes_secret(place("c"), 0o644),
        "Kubernetes 0440 with fsGroup": kubernetes_secret(place("d"), 0o440, UID),
        "Kubernetes 0644 with fsGroup": kubernetes_secret(place("e"), 0o644, UID),
        "tmpfs that can be written 0644": kubernetes_secret(place("f"), 0o644, read_only=False),
        "disk, read-only 0644": bound_directory(place("g"), 0o644),
        "disk, read-only 0440 with group": bound_directory(place("h"), 0o440, 0, UID),
        "disk, read-only 0400 of zinfo's": bound_directory(place("i"), 0o400, UID),
        "directory 0750 of root and group": in_directory(place("j"), 0o750, 0, UID),
        "directory 0700 of zinfo's": in_directory(place("k"), 0o700, UID),
        "directory 0755": in_directory(place("l"), 0o755),
        "directory 0700 of another user": in_directory(place("m"), 0o711, 12345, 12345),
        "disk 0600 of another user": secret(place("n") / "redis-password", 0o600, 12345),
    }


def main(base: str) -> None:
    """Make the cases and say what user 10001 finds."""
    if "ZI_FIRST_NAMESPACE" in os.environ:  # as if this were no container
        here = Path("/proc/self/ns/pid").stat().st_ino
        secret_files._FIRST_PID_NAMESPACE = here
    made = cases(Path(base))
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 1)  # as a process that was started as that user
    for name, file in made.items():
        found = {"case": name, "permission_problem": permission_problem(file)}
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
