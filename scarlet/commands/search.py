"""`thriftnas scarlet search`: a front of sub-networks, on inherited weights or on a published table."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from zoo.commands.front_report import report_front
from zoo.launch import check_folder, counting_bar, locked, open_run, run

from scarlet.extraction.inherited import IMAGES, SUPERNET
from scarlet.strategy.nsga import VERSION, Goal, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.source import Source, know_supernet, supernet_source, table_source
from scarlet.supernet.file import NAME
from zoo.commands import options as opt
from zoo.commands.export import Limits, Maximize, Minimize
from zoo.data import load
from zoo.data.sources import FOLDER
from zoo.population.front import Limit, Objective, objectives
from zoo.population.journal import Journal
from zoo.population.run_front import identity_of
from zoo.population.selection import parse_weights
from zoo.training import Precision

OBJECTIVES = (Objective("accuracy", True), Objective("macs", False), Objective("params", True))
WEIGHTS = (0.4, 0.4, 0.2)
"""Of these objectives (§3.4, Chu 2019; the numbers are those of the same authors' MoGA)."""
DEFAULTS = SearchParameters()


def _search(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Search")


def search(
    ctx: typer.Context,
    supernet: Annotated[
        Path | None,
        typer.Option(
            help="Run folder of scarlet train, or its supernet.pt: networks inherit its weights.",
            rich_help_panel="Data",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The images the supernet was trained on.", rich_help_panel="Data")
    ] = None,
    train: opt.Train = None,
    validation: opt.Validation = None,
    recalibration: Annotated[
        int,
        typer.Option(
            help="Training images for each network's own batch-norm statistics; 0: inherited.", rich_help_panel="Data"
        ),
    ] = 0,
    table: Annotated[
        Path | None,
        typer.Option(help="Published table: a CSV of NAS-Bench-Macro or NAS-Bench-201.", rich_help_panel="Data"),
    ] = None,
    latency: Annotated[
        Path | None,
        typer.Option(help="Measured latencies: CSV with columns layer, choice, latency.", rich_help_panel="Data"),
    ] = None,
    maximize: Maximize = None,
    minimize: Minimize = None,
    weights: Annotated[
        str | None, typer.Option(help="Like accuracy=0.4,macs=0.4,params=0.2; equal by default.")
    ] = None,
    limit: Limits = None,
    population: Annotated[int, _search("Networks of a generation; the start has twice as many.")] = DEFAULTS.population,
    generations: Annotated[int, _search("Generations after the start.")] = DEFAULTS.generations,
    evaluations: Annotated[int | None, _search("Networks evaluated at most; no limit by default.")] = None,
    mutation: Annotated[float, _search("Share of children by mutation; the others by crossover.")] = DEFAULTS.mutation,
    random: Annotated[float, _search("Share of random mutations.")] = DEFAULTS.random,
    reinforced: Annotated[float, _search("Share of mutations by the learned policy.")] = DEFAULTS.reinforced,
    prior: Annotated[float, _search("Share of mutations by what the front has.")] = DEFAULTS.prior,
    single: Annotated[float, _search("Share of mutations that change one layer.")] = DEFAULTS.single,
    several: Annotated[int, _search("Layers the other mutations change.")] = DEFAULTS.several,
    rounds: Annotated[int, _search("Rounds of replacing networks that miss a limit.")] = DEFAULTS.rounds,
    seed: Annotated[int, _search("Of everything random in the search.")] = 0,
    workers: opt.Workers = 1,
    threads: opt.Threads = 1,
    group: opt.Group = 35,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    gpus: opt.Gpus = 0.0,
    address: opt.Address = None,
    out: opt.Out = Path("runs/search"),
    time: opt.Time = None,
    as_json: opt.Json = False,
) -> None:
    """Search for networks that no other beats: by default accurate, cheap, and large for what they cost.

    The weighted, constrained NSGA-II of SCARLET. Limits on what is known beforehand (MACs, parameters, latency)
    cost no evaluation. Killed or stopped, the same command continues, and ends with the same front.
    """
    console = Console(stderr=as_json)
    if group < 1 or seed < 0:
        raise ValueError(f"group must be at least 1 and the seed at least 0, got {group} and {seed}")
    check_folder(out)
    seconds = opt.parse_time(time)
    parameters = SearchParameters(
        population=population, generations=generations, evaluations=evaluations, mutation=mutation, random=random,
        reinforced=reinforced, prior=prior, single=single, several=several, rounds=rounds,
    )  # fmt: skip
    goal = read_goal(maximize or [], minimize or [], weights, limit or [])
    placement = opt.choose_placement(workers, gpus, address, threads, console)
    if (table is None) == (supernet is None):
        raise ValueError("expected what to measure networks with: either --supernet RUN or --table FILE")
    if table is not None:
        source = table_source(table, latency)
    else:
        assert supernet is not None
        precision = opt.choose_precision(device, dtype, True, gpus=gpus, address=address)
        source = _inheriting(supernet, data, train, validation, latency, recalibration, threads, precision, console)

    def strategy() -> WeightedSearch:
        return WeightedSearch(source.space, source.costs, goal, parameters, seed, source.measured)

    strategy().ask(1, 0)  # complains now about limits that cannot be kept
    identity = _identity(source, goal, parameters, seed, group)
    with locked(out), closing(open_run(out, identity, ctx.obj)) as journal:
        _remember(journal, supernet, data, train, validation)
        total = most(goal, parameters, source)
        finished = run(
            out,
            journal,
            strategy(),
            lambda: placement.executor(source.make, source.payload, source.threads),
            group=group,
            total=lambda: total,
            price=lambda trial: 1.0,
            console=console,
            seconds=seconds,
        )
    if not finished:
        opt.say_stopped(out, time, console, as_json)
        return
    report_front(out, console, as_json)
    if not as_json:
        console.print(
            f"Models: thriftnas run export {out} --count 5 --format json,state,onnx", soft_wrap=True, markup=False
        )


def _inheriting(
    supernet: Path,
    data: str | None,
    train: int | None,
    validation: int | None,
    latency: Path | None,
    recalibration: int,
    threads: int,
    precision: Precision,
    console: Console,
) -> Source:
    """A supernet and its images as a source."""
    if data is None:
        raise ValueError("a supernet needs the images it was trained on: --data, with the same --train and --val")
    known = know_supernet(supernet)
    with counting_bar("decoding images", console) as progress:
        images = load(
            data, resolution=known.skeleton.resolution, train=train, validation=validation, seed=known.seed,
            progress=progress,
        )  # fmt: skip
    return supernet_source(
        known, images, latency, device=precision.device, dtype=precision.dtype, threads=threads,
        recalibration=recalibration,
    )  # fmt: skip


def _remember(
    journal: Journal, supernet: Path | None, data: str | None, train: int | None, validation: int | None
) -> None:
    """Note where the supernet and its images are: for those who export, from whatever directory."""
    if supernet is None or data is None:
        return
    journal.set(SUPERNET, str((supernet / NAME if supernet.is_dir() else supernet).resolve()))
    if data.startswith(FOLDER):
        data = FOLDER + str(Path(data.removeprefix(FOLDER)).expanduser().resolve())
    journal.set(IMAGES, {"name": data, "train": train, "validation": validation})


def read_goal(maximize: list[str], minimize: list[str], weights: str | None, limits: list[str]) -> Goal:
    """What the options ask for: the paper's objectives and weights where none are named, else equal weights.

    Raises:
        ValueError: for anything that cannot be read, or weights that cannot be used.
    """
    wanted = objectives(maximize, minimize) if maximize or minimize else OBJECTIVES
    chosen = WEIGHTS if wanted is OBJECTIVES else (1 / len(wanted),) * len(wanted)
    if weights is not None:
        chosen = parse_weights(weights, wanted)
    return Goal(objectives=wanted, weights=chosen, limits=tuple(map(Limit.parse, limits)))


def most(goal: Goal, parameters: SearchParameters, source: Source) -> float:
    """Evaluations a search takes at most: refills included where something can be refused afterwards."""
    count = parameters.population * (2 + parameters.generations)
    if any(limit.metric not in source.costs.names for limit in goal.limits):
        count *= parameters.rounds
    return min(count, parameters.evaluations or count)


def _identity(source: Source, goal: Goal, parameters: SearchParameters, seed: int, group: int) -> dict[str, Any]:
    return {
        "strategy": {
            "name": "scarlet",
            "version": VERSION,
            "space": source.space.name,
            **identity_of(goal.objectives, goal.limits),
            "weights": list(goal.weights),
            "parameters": parameters.to_dict(),
            "seed": seed,
        },
        "source": source.identity,
        "group": group,
    }
