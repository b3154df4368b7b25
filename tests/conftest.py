"""One thread a process: two test processes with two threads each would wait for one another most of the time."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch
