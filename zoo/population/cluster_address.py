"""The address of a running Ray cluster: which one it is, and whether anybody answers there; without Ray."""

import os
import socket
import time
from pathlib import Path

PROBE_SECONDS = 3.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # and empty settings
_SETTINGS = 4


def find_cluster(address: str) -> str:
    """The address itself, or the running cluster's for "auto", once it answered.

    Ray itself would wait for minutes, so the port is probed for 3 seconds first.

    Raises:
        ValueError: if "auto" finds no cluster, the address has no port, or nobody answers.
    """
    if address == "auto":
        note = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
        address = os.environ.get("RAY_ADDRESS") or (note.read_text().strip() if note.is_file() else "")
        if not address or address == "auto":
            raise ValueError("no running Ray cluster was found; start one with `ray start --head` or give host:port")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{address!r} is not a Ray address, expected auto, host:port or ray://host:port")
    try:
        answered = _answers(host.strip("[]"), int(port))
    except (OSError, OverflowError):
        answered = False
    if not answered:
        raise ValueError(f"no Ray cluster answers at {address} (tried for {PROBE_SECONDS:g} s)")
    return address


def _answers(host: str, port: int) -> bool:
    """Whether somebody there speaks gRPC, as Ray does: a port may accept everybody and never say a word.

    Raises:
        OSError: if nobody accepts, or in time.
    """
    deadline = time.monotonic() + PROBE_SECONDS
    with socket.create_connection((host, port), timeout=PROBE_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
            return True
        connection.sendall(_PREFACE)
        head = b""
        while len(head) < 4:  # three bytes of length, one that says what the frame is
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            part = connection.recv(4 - len(head))
            if not part:
                return False
            head += part
    return head[3] == _SETTINGS
