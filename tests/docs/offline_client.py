"""Stands in for kubectl and docker in the tests, where there is no cluster and no Docker daemon.

It runs the real program, whose path is in $REAL_NAME, with no server to connect to. The program
parses its arguments before it connects, so a wrong command or option is still an error. The
arguments, and the resources that it would have sent, are appended to the file $SENT.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NO_SERVER = ("was refused", "Cannot connect to the Docker daemon", "connection refused")
"""Parts of the errors that the programs print if they cannot connect."""

LOCAL = {("kubectl", "create"), ("kubectl", "kustomize")}
"""Commands that need no server."""


def main() -> int:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    sent = Path(os.environ["SENT"])
    text = ""
    if arguments[-2:] == ["--filename", "-"]:
        text = sys.stdin.read()
    elif arguments[:2] == ["apply", "--kustomize"]:
        text = run([name, "kustomize", arguments[2]]).stdout
    line = [name, *arguments]
    if (name, arguments[0]) in LOCAL and "--dry-run=client" not in arguments:
        line += ["--dry-run=client", "--output=yaml"]
    done = run(line, text)
    with sent.open("a") as file:
        file.write(f"$ {' '.join([name, *arguments])}\n{text or done.stdout}\n")
    if done.returncode and not any(part in done.stderr for part in NO_SERVER):
        sys.stderr.write(done.stderr)
        return done.returncode
    sys.stdout.write(done.stdout if "--dry-run=client" in arguments else "")
    return 0


def run(line: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the real program, without a server."""
    nowhere = {"DOCKER_HOST": "tcp://127.0.0.1:1", "KUBECONFIG": os.devnull, "DOCKER_BUILDKIT": "0"}
    command = [os.environ[f"REAL_{line[0].upper()}"], *line[1:]]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, env=os.environ | nowhere
    )


if __name__ == "__main__":
    sys.exit(main())
