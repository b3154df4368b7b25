"""Group 8: single kernels of small maps in several ways: what decides how a step of many networks should be built.

Shapes are those of c4r4: 9, 18 and 36 channels on 64, 16 and 4 pixels, 384 images, for one network and for 28.
"""

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks._gpu.group_case import Case, made, plainly
from benchmarks._gpu.lines import Numbers, judged, main, needs_cuda, within
from benchmarks._gpu.place import Place, tf32

IMAGES, MAPS, GROUPS = 384, ((9, 8), (18, 4), (36, 2)), (1, 28)
"""Images of a step; channels and pixels a side of the parts of a network; networks."""

PARTS = (4, 16, 64)
"""Into how many parts a long sum is split."""

Way = Callable[[], object]


def shapes(place: Place) -> list[tuple[int, int, int, int]]:
    """(networks, channels, side, images)."""
    groups, maps = (GROUPS[:1], MAPS[:1]) if place.dry else (GROUPS, MAPS)
    return [(group, channels, side, place.size(IMAGES, 4)) for channels, side in maps for group in groups]


def random(place: Place, *shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """The same numbers everywhere."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(place.device, dtype)


def microseconds(place: Place, ways: dict[str, Way]) -> Numbers:
    """Of each way; of one that the device cannot do, why."""
    found: Numbers = {}
    for name, way in ways.items():
        try:
            found[name] = round(1e6 * place.per_call(_graphed(place, way), 20), 1)
        except RuntimeError as error:
            found[name] = str(error).splitlines()[0][:100]
    return found


def _graphed(place: Place, way: Way) -> Way:
    """Ten calls as one graph, so that launching does not count; the call itself on a CPU."""
    if not place.cuda:
        return way
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            way()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(10):
            way()
    return graph.replay


def each_shape(place: Place, make: Callable[[Place, int, int, int, int], dict[str, Way]]) -> Numbers:
    """Microseconds of ten calls, in all ways at all shapes."""
    rows = []
    for group, channels, side, images in shapes(place):
        found = microseconds(place, make(place, group, channels, side, images))
        rows.append({"networks": group, "channels": channels, "side": side, **found})
    return {"us_of_calls": 10 if place.cuda else 1, "rows": rows}


def normalisation(place: Place, group: int, channels: int, side: int, images: int) -> dict[str, Way]:
    """Batch normalisation forward, on few long rows."""
    rows, length = group * channels, side * side * images
    x = random(place, 1, rows, length)
    weight, bias = (random(place, rows, dtype=torch.float32) for _ in range(2))
    parts = x.view(rows, 8 if length % 8 == 0 else 1, -1)

    def in_parts() -> Tensor:
        """Partial sums of eight blocks a row, then scale and shift."""
        wide = parts.float()
        total, squares = wide.sum(dim=2).sum(dim=1), wide.square().sum(dim=2).sum(dim=1)
        mean = total / length
        scale = weight * (squares / length - mean.square() + 1e-5).rsqrt()
        return torch.addcmul((bias - mean * scale)[:, None], x[0].float(), scale[:, None]).to(x.dtype)

    def fused() -> object:
        mean, inverse = torch.batch_norm_stats(x, 1e-5)
        return torch.batch_norm_elemt(x, weight, bias, mean, inverse, 1e-5)

    found: dict[str, Way] = {
        "native": lambda: torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, 1e-5),
        "var_mean": lambda: torch.var_mean(x, dim=2),
        "in_parts": in_parts,
        "relu": lambda: torch.relu(x),
        "copy": lambda: x.clone(),
    }
    return found | ({"stats_and_elementwise": fused} if place.cuda else {})


def depthwise(place: Place, group: int, channels: int, side: int, images: int) -> dict[str, Way]:
    """A depthwise convolution of 5 × 5, as a product with its matrix and as torch's in both memory formats."""
    pixels, width = side * side, group * channels
    maps, matrices = random(place, width, pixels, images), random(place, width, pixels, pixels)
    first = random(place, images, width, side, side)
    last, kernel = first.to(memory_format=torch.channels_last), random(place, width, 1, 5, 5)
    convolved = partial(functional.conv2d, weight=kernel, padding=2, groups=width)
    found: dict[str, Way] = {
        "product": lambda: torch.bmm(matrices, maps),
        "channels_first": lambda: convolved(first),
        "channels_last": lambda: convolved(last),
    }
    if group > 1 and not place.dry:  # the product with 4 × 4 blocks of channels, as tensor cores would have it
        found["product_float32"] = partial(torch.bmm, matrices.float(), maps.float())
    return found


def pointwise(place: Place, group: int, channels: int, side: int, images: int) -> dict[str, Way]:
    """Weight gradients of a pointwise convolution: a long sum for few numbers, in one piece and in parts."""
    length = side * side * images
    above, below = (random(place, 2 * group, channels, length) for _ in range(2))
    found: dict[str, Way] = {"whole": lambda: torch.bmm(above, below.transpose(1, 2))}
    for parts in PARTS:
        if length % parts == 0:
            found[f"in_{parts}_parts"] = partial(in_parts, above, below, parts)
    weights = random(place, 2 * group, channels, channels)
    return found | {"forward": lambda: torch.bmm(weights, below)}


def in_parts(above: Tensor, below: Tensor, parts: int) -> Tensor:
    """(M, C, L) times (M, C, L) over L, in float32 at the end: split-K by hand."""
    networks, channels, length = above.shape
    a, b = (
        each.view(networks, channels, parts, length // parts).transpose(1, 2).flatten(0, 1) for each in (above, below)
    )
    partial_sums = torch.bmm(a, b.transpose(1, 2)).view(networks, parts, channels, channels)
    return partial_sums.sum(dim=1, dtype=torch.float32)


def accumulation(place: Place) -> Numbers:
    """How exact long sums of bfloat16 products are: they must be accumulated in float32."""
    length = place.size(24_576, 256)
    above, below = (random(place, 2, 9, length) for _ in range(2))
    below = below + 0.5 * above  # so that the sums are not near 0
    exact = torch.bmm(above.double(), below.double().transpose(1, 2))
    whole = torch.bmm(above, below.transpose(1, 2)).double()
    with tf32(False):
        found = {
            "bfloat16": _gap(whole, exact),
            "bfloat16_in_16_parts": _gap(in_parts(above, below, 16).double(), exact),
            "float32": _gap(torch.bmm(above.float(), below.float().transpose(1, 2)).double(), exact),
        }
    limits = within({"bfloat16": found["bfloat16"]}, 2e-2) | within({"float32": found["float32"]}, 1e-4)
    return judged({**found}, limits)


def _gap(got: Tensor, wanted: Tensor) -> float:
    return float((got - wanted).abs().max() / wanted.abs().max())


def triton(place: Place) -> Numbers:
    """The kernels of a layer group in Triton, forward and backward, beside torch's: what decides on such an engine."""
    if importlib.util.find_spec("triton") is None:
        return {"note": "triton is not installed"}
    if not place.cuda:
        return needs_cuda()
    grouped: Any = importlib.import_module("benchmarks._gpu.grouped")  # needs Triton where it is read
    rows, reasons = [], dict[str, bool]()
    for blocks, channels, side, images in shapes(place):
        case = made(channels, side, images, blocks, place.device, torch.bfloat16)
        above = torch.randn(case.shape, device=place.device).bfloat16()
        (out, _), compiling = place.timed(partial(grouped.run_forward, case))
        got = [out, *grouped.run_backward(case, out, above)]
        gaps = [_gap(one.float(), other.float()) for one, other in zip(got, plainly(case, above), strict=True)]
        products = partial(_as_products, case, partial(torch.relu, case.maps[case.table[:, 0]]))
        ways: dict[str, Way] = {
            "forward": partial(grouped.run_forward, case),
            "backward": partial(grouped.run_backward, case, out, above),
            "products_forward": products,  # without normalisation, sum of the node, and sums of the result
        }
        reasons |= within({f"difference at {channels} channels": max(gaps)}, 5e-2)
        shape = {"blocks": blocks, "channels": channels, "side": side, "gap": max(gaps)}
        rows.append(shape | {"seconds_to_compile": round(compiling, 2)} | microseconds(place, ways))
    return judged({"us_of_calls": 10, "rows": rows}, reasons)


def _as_products(case: Case, rectified: Callable[[], Tensor]) -> Tensor:
    """Depthwise and pointwise convolutions as the program computes them: a product each."""
    blocks, channels, pixels, images = case.shape
    inner = torch.bmm(case.taps.flatten(0, 1), rectified().flatten(0, 1))
    return torch.bmm(case.weights, inner.view(blocks, channels, pixels * images))


CHECKS = (
    ("pointwise weight gradients", partial(each_shape, make=pointwise)),
    ("batch normalisation", partial(each_shape, make=normalisation)),
    ("depthwise convolutions", partial(each_shape, make=depthwise)),
    ("accumulation in bfloat16", accumulation),
    ("Triton", triton),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
