"""`thriftnas zoo build`: train a zoo of random networks at one setting and keep the best one as a model."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.zoo import spread
from zoo.export.model import NAME, Model, save_model
from zoo.export.trained import trained_model
from zoo.launch import WEIGHTS, check_folder, locked, open_run, run, write_json, write_text
from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import RandomSearch
from zoo.population.trial import Trial
from zoo.population.weights import WeightStore
from zoo.spaces.cell_space import cell_space
from zoo.training import Recipe

VERSION = 1


def build(
    ctx: typer.Context,
    data: opt.Data = "digits",
    models: Annotated[int, typer.Option(help="Random networks; raise it later to extend the zoo.")] = 8,
    setting: Annotated[str, typer.Option(help="How each is trained, e.g. c0r0s0e12.")] = "c0r0s0e12",
    space: opt.Space = "econas-zoo",
    channels: opt.Channels = 8,
    cells: opt.Cells = 5,
    resolution: opt.Resolution = None,
    train: opt.Train = None,
    validation: opt.Validation = None,
    batch: opt.Batch = 32,
    cutout: opt.Cutout = True,
    seed: opt.Seed = 0,
    workers: opt.Workers = 1,
    threads: opt.Threads = 1,
    group: opt.Group = 1,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    channels_last: opt.ChannelsLast = True,
    engine: opt.Engine = "auto",
    streams: opt.Streams = 1,
    gpus: opt.Gpus = 0.0,
    address: opt.Address = None,
    out: opt.Out = Path("runs/zoo"),
    time: opt.Time = None,
    as_json: opt.Json = False,
) -> None:
    """Train random networks at one setting; write their table and the best of them as a model file.

    The best is chosen on validation images; the test images are read once, for that network, at the end.
    """
    console = Console(stderr=as_json)
    if models < 1 or group < 1:
        raise ValueError(f"models and group must be at least 1, got {models} and {group}")
    check_folder(out)
    schedule, seconds = ProxySetting.parse(setting), opt.parse_time(time)
    precision = opt.choose_precision(device, dtype, channels_last, gpus=gpus, address=address)
    placement = opt.choose_placement(workers, gpus, address, threads, console)
    cell_space(space)  # complains before the images load
    bench = opt.prepare_bench(
        data=data,
        train=train,
        validation=validation,
        channels=channels,
        cells=cells,
        resolution=resolution,
        recipe=Recipe(batch=batch, cutout=0.5 if cutout else 0.0),
        precision=precision,
        seed=seed,
        threads=threads,
        console=console,
        engine=engine,
        streams=streams,
    )
    identity = {
        "strategy": {
            "name": "zoo",
            "version": VERSION,
            "space": space,
            "setting": str(schedule),
            "seed": seed,
        },
        "data": bench.images.fingerprint,
        "setup": bench.setup.identity(),
        "group": group,
    }
    with locked(out), closing(open_run(out, identity, ctx.obj, models)) as journal:
        images = bench.images_at([schedule])
        search = RandomSearch(cell_space(space), schedule, models, seed)
        total = sum(bench.price(trial, images) for trial in search.ask(models, 0))
        finished = run(
            out,
            journal,
            _Growing(RandomSearch(cell_space(space), schedule, models, seed), journal.get("growth")),
            lambda: placement.executor(bench.evaluator, bench.images, bench.setup.threads),
            group=group,
            total=lambda: total,
            price=lambda trial: bench.price(trial, images),
            console=console,
            seconds=seconds,
        )
        if not finished:
            opt.say_stopped(out, time, console, as_json)
            return
        _finish(out, journal, bench, console, as_json)


class _Growing:
    """Random search that ends a batch wherever the zoo once ended, so that a grown one asks again what it asked."""

    def __init__(self, search: RandomSearch, growth: Sequence[int]) -> None:
        self._search, self._growth = search, growth
        self.tell, self.resumable = search.tell, search.resumable

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next networks, at most to the end of the size the zoo then had."""
        end = next((size for size in self._growth if size > first), first)
        return self._search.ask(min(n, end - first), first)


def _finish(out: Path, journal: Journal, bench: opt.Bench, console: Console, as_json: bool) -> None:
    frame = journal.frame()
    write_text(out / "zoo.csv", frame.to_csv(index=False, lineterminator="\n"))
    good = frame[frame["ok"].astype(bool)]
    if good.empty:
        raise ValueError(f"all {len(frame)} networks failed; the first: {frame['reason'].iloc[0]}")
    best = int(good.sort_values(["accuracy", "index"], ascending=[False, True])["index"].iloc[0])
    device = opt.local_device(bench.setup.precision)
    store = WeightStore(out / WEIGHTS)
    model = trained_model(journal.trials()[best], journal.records()[best], store, bench.setup, bench.images, device)
    summary = keep_model(model, out)
    if as_json:
        print(json.dumps(summary))
        return
    console.print(f"validation accuracy of {len(good)} networks: {spread(good['accuracy'].tolist())}")
    console.print(
        f"best: trial {best}, validation {model.notes['accuracy']:.4f}, test {model.notes['test_accuracy']:.4f}"
    )
    say_how_to_use(out, console)


def keep_model(model: Model, out: Path) -> dict[str, Any]:
    """Write model.pt and best.json into a run folder, each whole or not at all; returns what is known of the model."""
    save_model(model, out / NAME)
    summary: dict[str, Any] = {"model": str(out / NAME), **model.notes}
    write_json(out / "best.json", {**summary, "genotype": model.genotype.to_dict()})
    return summary


def say_how_to_use(out: Path, console: Console) -> None:
    """The last line of a command that ends with a model."""
    console.print(f"Model: {out / NAME} (use: thriftnas predict {out / NAME} IMAGE)", soft_wrap=True, markup=False)
