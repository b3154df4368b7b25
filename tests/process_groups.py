"""Test files that are programs too: their ``program`` runs as the processes of one process group."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAUNCHER = """
import os, runpy, sys
from pathlib import Path
import torch._dynamo  # which an optimizer would import
program, folder, size = sys.argv[1:]
run = runpy.run_path(program)["program"]
ranks = []
for rank in map(str, range(int(size))):
    if not (child := os.fork()):
        os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
        run(Path(folder))
        sys.exit()
    ranks.append(child)
sys.exit(any([os.waitpid(child, 0)[1] for child in ranks]))
"""
"""Imports once what all ranks need, which would take most of their time, and computes nothing before they part."""


def run_ranks(program: str, folder: Path, size: int) -> None:
    """Run ``program(folder)`` of a file as ``size`` processes with torchrun's variables, all to a good end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, program, str(folder), str(size)],
        env={**os.environ, **common},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        errors = process.communicate(timeout=240)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the ranks too
        raise
    assert process.returncode == 0, errors
