"""`thriftnas zoo profile`: how long networks take on a device: one model, or a table of a space's blocks."""

import json
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import options as opt


def profile(
    model: Annotated[Path | None, typer.Argument(help="A model file, or an ONNX file of run export.")] = None,
    space: Annotated[str | None, typer.Option(help="A space: scarlet-s2-cifar, darts, econas-search, ...")] = None,
    channels: Annotated[int | None, typer.Option(help="Of the stem; the space's own, for cells 36.")] = None,
    cells: Annotated[int | None, typer.Option(help="Of a network of cells: 20.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels a side; the space's own, for cells 32.")] = None,
    classes: Annotated[int | None, typer.Option(help="Outputs; 10, or 1000 of a space for 224 pixels.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")] = "cpu",
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    runtime: Annotated[str, typer.Option(help="torch or onnxruntime; an ONNX file has the latter.")] = "torch",
    networks: Annotated[int, typer.Option(help="Whole networks on which the table is checked.")] = 50,
    seed: Annotated[int, typer.Option(help="Of these networks.")] = 0,
    out: Annotated[Path, typer.Option(help="The table, for --latency of the searches.")] = Path("latency.csv"),
    as_json: opt.Json = False,
) -> None:
    """Time a model on this device, or every block of a space of chains or cells: medians, after warming up.

    Of chains the table has the columns layer, choice (by its name) and latency, in milliseconds per batch; of cells
    operation, inputs, channels, resolution, stride, cells and latency. How far its sums are from whole networks that it
    has not seen is said beside how far the same network is from itself, timed twice.
    """
    from rich.console import Console

    from zoo.latency.overview import latency_sentence, table_sentences
    from zoo.latency.stopwatch import Stopwatch
    from zoo.latency.table import blocks_of_space, measure_table
    from zoo.latency.whole import model_latency

    if (model is None) == (space is None):
        raise ValueError("expected what to time: either a MODEL file or --space NAME")
    stopwatch = Stopwatch(device=device, batch=batch, threads=threads, runtime=runtime)
    if model is not None:
        found = model_latency(model, stopwatch)
        print(json.dumps(found) if as_json else latency_sentence(found))
        return
    blocks = blocks_of_space(str(space), channels=channels, cells=cells, resolution=resolution, classes=classes)
    opt.require_folder(out)
    table = measure_table(blocks, stopwatch, networks, seed, Console(stderr=True).print)
    table.write(out)
    print(json.dumps({"table": str(out), **table.facts}) if as_json else "\n".join(table_sentences(table, out)))
