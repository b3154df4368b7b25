"""One side of the benchmark of streamed supernets, a process of its own: ``python -m benchmarks._streamed_side JSON``.

It writes a line of JSON: seconds of the timed steps, peak megabytes above what the process had with the supernet built
and no image read, and the peak of the largest process it has started: they check files and decode.
"""

import json
import resource
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scarlet.supernet.form import SupernetForm
from scarlet.supernet.material import HeldImages, StreamedImages
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.training import new_supernet, supernet_optimizer, train_supernet
from zoo.data.stream import Reader, open_stream
from zoo.experiments import ImageSource
from zoo.spaces import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.epoch import Stage

SPACE = "nas-bench-macro"


def trained(asked: dict[str, Any]) -> dict[str, float]:
    """Steps on images in memory or on a stream.

    Args:
        asked: folder, streamed, classes, resolution, channels, batch, steps, loaders, threads.
    """
    torch.set_num_threads(asked["threads"])
    training = TrainingSetup(
        skeleton=Skeleton(
            channels=asked["channels"], cells=8, resolution=asked["resolution"], classes=asked["classes"]
        ),
        recipe=Recipe(batch=asked["batch"], lr=0.01, lr_min=0.0, cutout=0.0),
        threads=asked["threads"],
    )
    setup = SupernetSetup(training=training, sampling="uniform", every=asked["steps"])
    network = new_supernet(SupernetForm(space=SPACE), setup)
    optimizer = supernet_optimizer(network, training.recipe)
    before, name = resident(), f"imagefolder:{asked['folder']}"
    with ExitStack() as stack:
        if asked["streamed"]:
            stream = open_stream(name, resolution=asked["resolution"])
            reader = stack.enter_context(Reader(stream, asked["loaders"]))
            material: HeldImages | StreamedImages = StreamedImages(training, stream, reader)
        else:
            material = HeldImages(training, ImageSource(name=name, resolution=asked["resolution"]).images(0))
        epochs = material.epochs(0)
        seconds = 0.0
        for part in range(2):  # the first warms up
            stage = Stage(start=part, stop=part + 1, epochs=setup.parts(epochs.steps), seed=0, root=0)
            began = time.perf_counter()
            train_supernet(network, optimizer, epochs, setup, stage)
            seconds = time.perf_counter() - began
        material.scores(network, np.zeros((1, network.chain.starts[-1]), dtype=np.int64))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    # Processes that decode have ended with their reader.
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return {"seconds": seconds, "megabytes": peak - before, "child_megabytes": child}


def resident() -> float:
    """Megabytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    print(json.dumps(trained(json.loads(sys.argv[1]))))
