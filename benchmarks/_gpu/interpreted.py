"""The kernels of a layer group in Triton's interpreter, in float32 against modules: a process that prints JSON.

The interpreter is chosen where Triton is imported first (``TRITON_INTERPRET=1``), so it has a process of its own.
"""

import json
import sys

import torch

from benchmarks._gpu.group_case import made, plainly
from benchmarks._gpu.grouped import run_backward, run_forward
from zoo.training.device import prepare_process

BLOCKS = 2


def gaps(channels: int, side: int, images: int) -> dict[str, float]:
    """The largest difference of every result, by the largest number in it."""
    case = made(channels, side, images, BLOCKS)
    above = torch.randn(case.shape, generator=torch.Generator().manual_seed(1))
    out, sums = run_forward(case)
    found = {"out": out, "sums": sums}
    found |= dict(zip(("inner", "below", "weights"), run_backward(case, out, above), strict=True))
    plain, *slopes = plainly(case, above)
    wanted = {"out": plain, "sums": torch.stack([plain.sum(dim=(2, 3)), plain.square().sum(dim=(2, 3))])}
    wanted |= dict(zip(("inner", "below", "weights"), slopes, strict=True))
    return {name: float((found[name] - wanted[name]).abs().max() / wanted[name].abs().max()) for name in wanted}


if __name__ == "__main__":
    prepare_process(1)
    images, *rest = map(int, sys.argv[1:])
    shapes = list(zip(rest[::2], rest[1::2], strict=True))
    print(json.dumps([{"channels": c, "side": s, **gaps(c, s, images)} for c, s in shapes]))
