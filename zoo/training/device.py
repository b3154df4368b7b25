"""The device: which one to train on, whether it is there, and what its numbers are."""

import re

import torch

from zoo.training.distributed import process_place
from zoo.training.recipe import Precision


def choose_precision(device: str, dtype: str, channels_last: bool, *, gpus: float, address: str | None) -> Precision:
    """The precision asked for, "auto" being the best device at hand.

    On a cluster the device is the workers', which this machine cannot check; "auto" is then cuda where
    workers get GPUs, and the CPU otherwise.

    Raises:
        ValueError: for a device this machine does not have or a dtype it cannot compute with.
    """

    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError(f"unknown device {device!r}, expected auto, cpu, cuda, cuda:N or mps")
    if device == "auto" and address is not None:
        device = "cuda" if gpus else "cpu"
    elif device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    elif address is None and not is_here(device):
        raise ValueError(f"device {device!r} is not available here, expected auto or cpu")
    if device == "mps" and dtype == "float64":
        raise ValueError("device 'mps' cannot compute in float64, expected float32 or bfloat16")
    return Precision(device=device, dtype=dtype, channels_last=channels_last)


def process_precision(device: str, dtype: str, channels_last: bool) -> Precision:
    """The precision of this process: under torchrun every process has a GPU of its own.

    Raises:
        ValueError: as :func:`choose_precision`, or for one numbered GPU and several processes.
    """

    _, size, local = process_place()
    precision = choose_precision(device, dtype, channels_last, gpus=0.0, address=None)
    if size > 1 and precision.device.startswith("cuda"):
        if ":" in precision.device:
            raise ValueError(f"{size} processes use one GPU each, expected --device cuda, got {device!r}")
        precision = choose_precision(f"cuda:{local}", dtype, channels_last, gpus=0.0, address=None)
    return precision


def own_precision(precision: Precision) -> Precision:
    """A precision that a journal has written, which numbers no GPU, as this process's own.

    Raises:
        ValueError: as :func:`process_precision`.
    """
    if ":" in precision.device:
        return precision
    return process_precision(precision.device, precision.dtype, precision.channels_last)


def local_device(precision: Precision) -> str:
    """The device of ``precision`` where this machine has it, else the CPU."""
    return precision.device if is_here(precision.device) else "cpu"


def is_here(device: str) -> bool:
    """Whether this machine has a device."""
    if device.startswith("cuda"):
        return torch.cuda.is_available() and (torch.device(device).index or 0) < torch.cuda.device_count()
    return device == "cpu" or torch.backends.mps.is_available()


def prepare_process(threads: int) -> None:
    """Set this process up for computing networks: so many CPU threads, and :func:`exact_numbers`."""
    torch.set_num_threads(threads)
    exact_numbers()


def exact_numbers() -> None:
    """Let a dtype mean one thing on every device, whatever torch's own defaults are.

    float32 is never rounded to TF32, neither in products nor in convolutions, where torch would. Products in bfloat16
    add up in float32, also where a long sum is shared out: a weight gradient's has a batch's pixels, 24,576 and more.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
