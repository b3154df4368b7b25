"""The machine: versions and hardware, for whoever reads a run's numbers later."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo.experiments.resources import usable_cores

CPUINFO = Path("/proc/cpuinfo")
VECTORS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16", "i8mm")
"""Name prefixes of the instruction sets that the speed of training depends on."""

PACKAGES = ("thriftnas", "torch", "torchvision", "numpy", "scipy", "pandas", "ray")

SHARED = "without NVIDIA's MPS, workers with a part of a GPU only take turns: prefer one worker with a larger --group"


def about() -> dict[str, Any]:
    """Versions and hardware; without torch, which a search on a table does not need, nothing of its kernels."""
    gpu: str | None = None
    kernels: str | None = None
    try:
        import torch  # takes a second or more; who only reads a run does without
    except ImportError:
        pass
    else:
        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        kernels = torch.backends.cpu.get_cpu_capability()  # what torch makes of the instructions
    return {
        "versions": {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "hardware": {
            "processor": _processor(),
            "instructions": _instructions(),
            "kernels": kernels,
            "cores": os.cpu_count(),
            "gpu": gpu,
            "system": platform.platform(),
        },
    }


def device_at_hand() -> dict[str, str]:
    """The best device of this machine, and what there is to know of it."""
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name, size = torch.cuda.get_device_name(), f"{free / 1e9:.0f} of {total / 1e9:.0f} GB free"
        return {"best": "cuda", "detail": f"{name}, {size}; {SHARED}"}
    if torch.backends.mps.is_available():
        return {"best": "mps", "detail": "Apple GPU"}
    return {"best": "cpu", "detail": f"no GPU found; use --workers {usable_cores()}"}


def cluster_at_hand() -> str:
    """Whether Ray is installed, and a cluster answers."""
    try:
        from zoo.population import cluster_address, ray_executor  # noqa: F401  the second finds out whether Ray is here
    except ImportError:
        return "not installed: runs are serial; pip install ray for several workers"
    try:
        return f"a cluster answers at {cluster_address.find_cluster('auto')}: use --address auto"
    except ValueError as error:
        return f"installed; {error}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    return _described("model name") or platform.processor() or platform.machine()


def _instructions() -> str:
    """Vector and matrix instruction sets of the first processor, as Linux names them; none where it does not say."""
    flags = f"{_described('flags')} {_described('Features')}".split()  # of x86 and of Arm
    return " ".join(sorted(flag for flag in flags if flag.startswith(VECTORS)))


def _described(what: str) -> str:
    """A line of Linux's description of the first processor; empty where there is none."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(what)), "")


def at_hand() -> dict[str, Any]:
    """What this machine has: versions, devices, Ray, data, disk; JSON-ready."""
    from zoo.data.decoded import default_cache
    from zoo.data.sources import default_root

    facts, here = about(), Path.cwd()
    return {
        **{name: facts[name] for name in ("versions", "hardware")},
        "device": device_at_hand(),
        "ray": cluster_at_hand(),
        "data": {"downloads": str(default_root()), "decoded": str(default_cache())},
        "disk": {"free_gb": round(shutil.disk_usage(here).free / 1e9, 1), "folder": str(here)},
    }
