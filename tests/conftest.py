"""What holds for every test: one thread a process, and in the gate the same examples every time."""

import os

from hypothesis import settings

# Two test processes with two threads each would wait for one another most of the time. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("explore", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "explore")
