"""Group 0: versions and hardware, what the device copies and multiplies at best, and what can be imported there."""

import contextlib
import importlib
import io
import pkgutil
import sys
import warnings
from typing import Any

import torch

from benchmarks._gpu.lines import Numbers, judged, main
from benchmarks._gpu.place import Place, tf32
from zoo.experiments.machine import about

PACKAGES = ("zoo", "econas", "scarlet", "milenas", "thriftnas")
MISSED = ("ray", "pymoo", "triton", "pandas", "sklearn", "torchvision", "matplotlib", "typer", "jinja2", "onnx")
"""What a machine with torch alone may lack."""

OPTIONAL = {"ray", "pymoo", "onnx", "onnxruntime", "onnxscript", "pyarrow"}
"""Modules of the house that need one of these may be there in vain."""


def versions(place: Place) -> Numbers:
    """Versions, hardware, and how torch is set up."""
    found: Numbers = {**about(), "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
    found |= {
        "tf32_of_products": torch.get_float32_matmul_precision(),
        "tf32_of_convolutions": torch.backends.cudnn.allow_tf32,
    }
    if not place.cuda:
        return found
    properties = torch.cuda.get_device_properties(place.device)
    free, total = torch.cuda.mem_get_info(place.device)
    return found | {
        "device": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "capability": list(torch.cuda.get_device_capability(place.device)),
        "devices": torch.cuda.device_count(),
        "free_gb": round(free / 1e9, 1),
        "total_gb": round(total / 1e9, 1),
    }


def ceilings(place: Place) -> Numbers:
    """GB/s of a copy; TFLOP/s of products in bfloat16, float32 and TF32; microseconds to launch a kernel."""
    size, count = place.size(8192, 64), place.size(1 << 28, 1 << 12)
    big = torch.empty(count, device=place.device)
    found: Numbers = {"gb_per_second": round(8 * count / place.per_call(lambda: big.clone(), 10) / 1e9, 1)}
    for name, dtype, rounded in (
        ("bfloat16", torch.bfloat16, False),
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
    ):
        a = torch.randn(size, size, device=place.device, dtype=dtype)
        with tf32(rounded):
            seconds = place.per_call(lambda a=a: a @ a, 5)  # type: ignore[misc]
        found[f"tflop_per_second_{name}"] = round(2 * size**3 / seconds / 1e12, 2)
    small = torch.zeros(8, device=place.device)
    found["us_per_launch"] = round(1e6 * place.per_call(lambda: small.add_(1), 2000), 2)
    return found


def imports(place: Place) -> Numbers:
    """Which packages are missing, and which modules of the house cannot be imported for it; a dry run tries a few."""
    missing = {name: reason for name in MISSED if (reason := _reason(name))} if not place.dry else {}
    broken: dict[str, str] = {}
    in_vain: dict[str, str] = {}
    for module in _modules(place):
        error = _reason(module)
        if error:
            (in_vain if _optional(error) else broken)[module] = error
    reasons = {f"{name} cannot be imported: {error}": True for name, error in broken.items()}
    return judged({"missing": missing, "needs_what_is_missing": in_vain}, reasons)


def _modules(place: Place) -> list[str]:
    """Every module of the house, or a few of them."""
    if place.dry:
        return ["thriftnas", "zoo.training.evaluator", "zoo.experiments"]
    found: list[str] = []
    for name in PACKAGES:
        package: Any = importlib.import_module(name)
        # folders only: walking does not import modules, which are tried one by one
        found += [name, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{name}.", onerror=lambda _: None))]
    return [name for name in found if not name.endswith("__main__")]  # which would run


def _reason(module: str) -> str:
    """Why a module cannot be imported; empty where it can."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except BaseException as error:  # whatever a stranger's package does when it is imported
        return f"{type(error).__name__}: {error}"
    return ""


def _optional(reason: str) -> bool:
    return any(f"'{name}" in reason or f"{name} " in reason for name in OPTIONAL)


CHECKS = (("versions", versions), ("ceilings", ceilings), ("imports", imports))

if __name__ == "__main__":
    sys.exit(main(CHECKS))
