"""Identity of this process, by which another process can check whether it is certainly gone."""

import os
import socket
from pathlib import Path


def process_identity() -> str:
    """Return ``host/namespace/pid/start``. The namespace identifies a container. The start time detects reused pids."""
    return "/".join((*_here(), str(os.getpid()), _start_time(os.getpid())))


def is_certainly_dead(identity: str) -> bool:
    """Return True only if the process ran on this very host and namespace and no longer exists."""
    host, namespace, pid, start = identity.rsplit("/", 3)
    if (host, namespace) != _here() or not namespace:
        return False
    return _start_time(int(pid)) != start


def host_and_process(identity: str) -> str:
    """Return an identity for people, such as ``host, process 4711``. One of another form is returned unchanged."""
    process = process_of(identity)
    return identity if process is None else f"{identity.rsplit('/', 3)[0]}, process {process}"


def process_of(identity: str) -> int | None:
    """Return the process's number on its host; None for an identity of another form."""
    parts = identity.rsplit("/", 3)
    return int(parts[2]) if len(parts) == 4 and parts[2].isdigit() else None


def _here() -> tuple[str, str]:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        # Without /proc nothing is certain, so the heartbeat alone decides.
        namespace = ""
    return socket.gethostname(), namespace


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not noticed yet. Field 22 of proc(5) is the start time.
    return "" if state == "Z" else fields[18]
