"""Group 6: SCARLET: steps, sub-networks and recalibration in float64 against the CPU, then their speed."""

import copy
import sys
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._gpu.images import pictures
from benchmarks._gpu.lines import Numbers, judged, main, needs_cuda, within
from benchmarks._gpu.place import Place, tf32
from scarlet.evaluation.folded import FoldedSupernet, Folding
from scarlet.evaluation.tree import evaluate_paths, recalibrated
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.rules import sampling_rule
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.supernet import Supernet, build_supernet
from scarlet.supernet.training import path_costs, supernet_optimizer, supernet_step
from zoo.networks.inverted import InvertedBottleneck
from zoo.spaces.chain import chain_of
from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import Precision, Recipe, torch_dtype
from zoo.training.setup import TrainingSetup

LIMIT, COUNT, IMAGES = 1e-8, 20, 5000
RECIPE = Recipe(lr=0.045, lr_min=0.0, weight_decay=4e-5)


def supernet_of(place: Place, device: str, dtype: torch.dtype = torch.float32, *, small: bool = False) -> Supernet:
    """The 19-layer supernet for small images; in a dry run, one of fewer layers."""
    space = "nas-bench-macro" if place.dry else "scarlet-s1-cifar"
    chain = chain_of(space)
    channels = 4 if place.dry else 8 if small else 32
    skeleton = Skeleton(channels=channels, cells=chain.starts[-1], resolution=_side(place, small), classes=10)
    return build_supernet(
        SupernetForm(space=space), skeleton, torch.Generator().manual_seed(0), device=device, dtype=dtype
    )


def _side(place: Place, small: bool) -> int:
    return 8 if place.dry else 16 if small else 32


def paths_of(network: Supernet, sampling: str, steps: int) -> NDArray[np.int64]:
    """The same paths everywhere."""
    return sampling_rule(sampling).draw(np.random.default_rng(0), path_costs(network), steps)


def setup_of(network: Supernet, sampling: str, precision: Precision) -> SupernetSetup:
    """How a step trains."""
    training = TrainingSetup(skeleton=network.skeleton, recipe=RECIPE, precision=precision)
    return SupernetSetup(training=training, sampling=sampling)


def against_cpu(place: Place) -> Numbers:
    """Two fair steps, then losses of sub-networks on inherited and on recalibrated statistics."""
    here = supernet_of(place, "cpu", torch.float64, small=True)
    side, count = here.skeleton.resolution, place.size(6, 4)
    images = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1)).double()
    labels = torch.arange(count) % 10
    paths = paths_of(here, "uniform", place.size(6, 3))[:, 0]
    there = copy.deepcopy(here).to(place.device)
    with tf32(False):
        (wanted, theirs), (got, ours) = (
            _trained(network.to(memory_format=torch.channels_last), device, images, labels, paths)
            for network, device in ((here, "cpu"), (there, place.device))
        )
    gaps = {name: _gap(got[name], wanted[name]) for name in wanted}
    agree = float((ours == theirs).mean())
    return judged({**gaps, "equal_predictions": agree}, within(gaps, LIMIT) | {"predictions differ": agree < 1})


def _trained(
    network: Supernet, device: str, images: torch.Tensor, labels: torch.Tensor, paths: NDArray[np.int64]
) -> tuple[dict[str, torch.Tensor], NDArray[np.int64]]:
    """Weights and statistics after two steps, losses of sub-networks both ways; their predictions."""
    optimizer, precision = supernet_optimizer(network, RECIPE), Precision(device=device, dtype="float64")
    pixels, truth = precision.place(images.to(device)), labels.to(device)
    network.train()
    for each in paths_of(network, "fair", 2):
        supernet_step(network, optimizer, pixels, truth, each, setup_of(network, "fair", precision))
    state = [tensor.detach().cpu().double().flatten() for tensor in network.state_dict().values()]
    found = {"weights": torch.cat(state)}
    scores = evaluate_paths(network, pixels, truth, paths)
    found["losses"] = torch.from_numpy(scores.losses)
    statistics = recalibrated(network, pixels, paths)
    found["statistics"] = torch.cat(
        [part.cpu().flatten() for pairs in statistics.values() for pair in pairs for part in pair]
    )
    again = evaluate_paths(network, pixels, truth, paths, statistics=statistics)
    found["losses_recalibrated"] = torch.from_numpy(again.losses)
    return found, again.predictions


def _gap(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got - wanted).abs().max() / wanted.abs().max())


def steps(place: Place, *, sampling: str, channels_last: bool, dtype: str) -> Numbers:
    """Milliseconds of a step of 64 images."""
    network = supernet_of(place, place.device).train()
    network = network.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    optimizer = supernet_optimizer(network, RECIPE)
    precision = Precision(device=place.device, dtype=dtype, channels_last=channels_last)
    count, side = place.size(64, 4), network.skeleton.resolution
    pixels = precision.place(
        torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1)).to(place.device)
    )
    labels = torch.arange(count, device=place.device) % 10
    drawn, setup = list(paths_of(network, sampling, 16)), setup_of(network, sampling, precision)
    taken = iter(drawn * 100)

    def once() -> None:
        supernet_step(network, optimizer, pixels, labels, next(taken), setup)

    for _ in range(place.size(8, 0)):  # every choice is met once, its kernels chosen
        once()
    seconds = place.per_call(once, 10 if sampling == "uniform" else 4)
    return {
        "ms_per_step": round(1e3 * seconds, 3),
        "ms_per_path": round(1e3 * seconds / drawn[0].shape[0], 3),
        "paths": drawn[0].shape[0],
        "memory": "channels last" if channels_last else "channels first",
        "dtype": dtype,
        "peak_gb": place.peak_gb(),
    }


def by_block(place: Place) -> Numbers:
    """A fair step with every block as two graphs, forward and backward, beside one that is launched."""
    if not place.cuda:
        return needs_cuda()
    plain = supernet_of(place, place.device).train().to(memory_format=torch.channels_last)
    pair, side = [plain, copy.deepcopy(plain)], plain.skeleton.resolution
    precision = Precision(device=place.device, dtype="float32", channels_last=True)
    generator = torch.Generator().manual_seed(1)
    pixels = precision.place(torch.randn(64, 3, side, side, generator=generator).to(place.device))
    labels, setup = torch.arange(64, device=place.device) % 10, setup_of(plain, "fair", precision)
    _, capturing = place.timed(lambda: captured_blocks(pair[1], pixels))
    drawn, seconds, ends = list(paths_of(plain, "fair", 16)), [], []
    for network in pair:
        optimizer, taken = supernet_optimizer(network, RECIPE), iter(drawn * 4)
        step = partial(supernet_step, network, optimizer, pixels, labels, setup=setup)
        step(next(taken))
        step(next(taken))
        ends.append(torch.cat([each.detach().double().flatten() for each in network.parameters()]))
        seconds.append(place.per_call(lambda step=step, taken=taken: step(next(taken)), 4))  # type: ignore[misc]
    found = {"after two steps": _gap(ends[1], ends[0])}
    times = {"ms_launched": seconds[0], "ms_by_block": seconds[1], "ms_capturing": capturing}
    numbers = found | {name: round(1e3 * each, 3) for name, each in times.items()} | {"peak_gb": place.peak_gb()}
    return judged(numbers, within(found, 1e-3))


def captured_blocks(network: Supernet, pixels: torch.Tensor) -> None:
    """Make graphs of a supernet's blocks, those of a layer sharing memory: a path takes one of them."""
    held = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with torch.no_grad():
        x = network.stem(pixels)
    for number in range(len(network.chain.layers)):
        pool, layer = torch.cuda.graph_pool_handle(), cast(torch.nn.ModuleList, network.layers[number])
        given, through = x.detach(), 0
        for choice, module in enumerate(layer):
            if isinstance(module, InvertedBottleneck):
                sample, through = (given.clone().requires_grad_(),), choice
                made = torch.nn.Sequential(module)
                captured = torch.cuda.make_graphed_callables(made, sample, num_warmup_iters=1, pool=pool)
                layer[choice] = cast(torch.nn.Module, captured)
        with torch.no_grad():
            x = layer[through](given).clone()
    with torch.no_grad():  # warming up has moved the statistics
        for buffer, before in held:
            buffer.copy_(before)


def evaluated(place: Place, *, chunk: int, dtype: str) -> Numbers:
    """Seconds of 20 random paths on 5,000 images, so many at a time."""
    network = supernet_of(place, place.device).eval().to(memory_format=torch.channels_last)
    images, labels = pictures(place, place.size(IMAGES, 8), network.skeleton.resolution)
    paths = paths_of(network, "uniform", place.size(COUNT, 3))[:, 0]
    folded = FoldedSupernet(network, Folding.best(place.device, torch_dtype(dtype)))
    size = place.size(chunk, 4)

    def once() -> NDArray[np.float64]:
        return evaluate_paths(folded, images, labels, paths, chunk=size).losses

    once()
    losses, seconds = place.timed(once)
    found: Numbers = {
        "seconds": round(seconds, 3),
        "ms_per_path": round(1e3 * seconds / len(paths), 2),
        "chunk": size,
        "dtype": dtype,
        "peak_gb": place.peak_gb(),
    }
    return judged(found, {"a loss is no number": not bool(np.isfinite(losses).all())})


def recalibration(place: Place) -> Numbers:
    """Seconds to take the statistics of 20 random paths from 1,024 images."""
    network = supernet_of(place, place.device).eval().to(memory_format=torch.channels_last)
    images, _ = pictures(place, place.size(1024, 8), network.skeleton.resolution)
    paths = paths_of(network, "uniform", place.size(COUNT, 3))[:, 0]
    recalibrated(network, images, paths)
    _, seconds = place.timed(lambda: recalibrated(network, images, paths))
    return {
        "seconds": round(seconds, 3),
        "ms_per_path": round(1e3 * seconds / len(paths), 2),
        "peak_gb": place.peak_gb(),
    }


CHECKS = (
    ("float64 against the CPU", against_cpu),
    ("uniform step, channels last", partial(steps, sampling="uniform", channels_last=True, dtype="float32")),
    ("uniform step, channels first", partial(steps, sampling="uniform", channels_last=False, dtype="float32")),
    ("fair step, channels last", partial(steps, sampling="fair", channels_last=True, dtype="float32")),
    ("fair step, channels first", partial(steps, sampling="fair", channels_last=False, dtype="float32")),
    ("fair step by captured blocks", by_block),
    ("evaluation, chunks of 512", partial(evaluated, chunk=512, dtype="float32")),
    ("evaluation, chunks of 2,500", partial(evaluated, chunk=2500, dtype="float32")),
    ("evaluation, chunks of 5,000", partial(evaluated, chunk=5000, dtype="float32")),
    ("evaluation, chunks of 2,500, bfloat16", partial(evaluated, chunk=2500, dtype="bfloat16")),
    ("uniform step, channels last, bfloat16", partial(steps, sampling="uniform", channels_last=True, dtype="bfloat16")),
    ("recalibration", recalibration),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
