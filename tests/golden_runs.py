"""Runs that train nothing, whose digests are the same on every processor: ``golden_digests.json`` holds them.

All sorts are stable while they run: pymoo draws survivors with an unstable one, which numpy does in another order on
processors with other vectors, so that a front of `scarlet search` differs between them.

``python -m tests.golden_runs`` writes that file again, for whoever means to change what a run asks or records. What
runs on a published table keeps its old digest where the table is not at hand.
"""

import contextlib
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from econas.strategy.audit import Auditing, Step
from econas.strategy.baselines import RandomBaseline, RegularizedEvolution, evolution_then_retrain, random_then_retrain
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from milenas.strategy.search import SupernetSearch
from milenas.supernet.config import SupernetConfig
from scarlet.strategy.nsga import Goal, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from zoo.cli import main
from zoo.population import (
    Evaluator,
    Job,
    Journal,
    Manager,
    Outcome,
    ProxySetting,
    RandomSearch,
    Record,
    SerialExecutor,
    Strategy,
    WeightStore,
)
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Limit, objectives
from zoo.population.table import Table, read_table
from zoo.reliability.study import Study
from zoo.spaces import DARTS, ECONAS_SEARCH, ECONAS_ZOO
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import NAS_BENCH_201, NAS_BENCH_MACRO
from zoo.training.retraining import Retraining

GOLDEN = Path(__file__).with_name("golden_digests.json")
DATA = Path(__file__).parents[2] / "shared" / "data"
TABLES = {"201": "nas_bench_201_cifar10.csv.gz", "macro": "nas_bench_macro_cifar10.csv.gz"}
SEEDS = (0, 1)
BUDGET = 2400  # epochs: on NAS-Bench-201 a hundred cheap trainings and some full ones, on NAS-Bench-Macro 48

RECIPE = (
    "Digests of the runs in tests/golden_runs.py, first recorded at commit d839494. Written by "
    "`python -m tests.golden_runs`; a digest that changes means that a run asks or records something else."
)


@dataclass(frozen=True)
class GoldenRun:
    """A run by name: ``make`` runs it in an empty folder, with ``table`` where it needs one, and takes its digest."""

    name: str
    make: Callable[[Path], str]
    table: Path | None = None

    def digest(self, folder: Path) -> str:
        """The digest of the run."""
        with mock.patch.object(np, "argsort", _stable):
            return self.make(folder)

    @property
    def possible(self) -> bool:
        """Whether what it needs is at hand."""
        return self.table is None or self.table.exists()


# ---------------------------------------------------------------- how a run is made

_argsort = np.argsort


def _stable(values: Any, axis: int | None = -1, kind: Any = None, **more: Any) -> Any:
    """numpy's argsort with the one answer that does not depend on the processor."""
    return _argsort(values, axis, "stable", **more)


def finished(strategy: Strategy, evaluator: Evaluator, folder: Path, batch: int = 1) -> str:
    """The digest of a strategy run to its end by one worker."""
    journal = Journal.memory({})
    assert Manager(strategy, journal, WeightStore(folder / "weights"), batch).run(SerialExecutor(evaluator))
    return journal.digest()


def commanded(*arguments: object) -> str:
    """What a command of this process prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([str(argument) for argument in arguments])
    assert code == 0, arguments
    return out.getvalue()


def share(*parts: object, of: int) -> int:
    """A number from 0 to below ``of`` that depends on ``parts`` alone."""
    return int(hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest(), 16) % of


def invented(jobs: Sequence[Job]) -> list[Outcome]:
    """Records whose metrics are quotients of whole numbers, and weights that say whom they continue."""
    return [_invented(job) for job in jobs]


def _invented(job: Job) -> Outcome:
    trial, paid = job.trial, job.trial.stop - job.trial.start
    key, setting = trial.genotype.key, trial.setting
    if share("fails", key, trial.index, of=23) == 0:
        return Record(index=trial.index, ok=False, reason="diverged", epochs_paid=paid), None
    # what the network is worth anywhere, at this setting, and in this training
    hits = share(key, of=601) + share(key, setting, of=301) + share(key, setting, trial.stop, trial.index, of=99)
    metrics = {"accuracy": hits / 1000, "balanced_accuracy": (hits // 2) / 500, "loss": (1000 - hits) / 250}
    weights = hashlib.sha256(f"{key} {setting} {trial.stop} {job.root}".encode() + (job.checkpoint or b"")).digest()
    return Record(index=trial.index, ok=True, metrics=metrics, epochs_paid=paid), weights if trial.keep else None


# ---------------------------------------------------------------- on published tables

known = cache(read_table)


def cheap_and_full(table: Table) -> tuple[ProxySetting, ProxySetting]:
    """The table's shortest and longest training; one and the same where it knows no other."""
    return ProxySetting(0, 0, 0, table.epochs[0]), ProxySetting(0, 0, 0, table.epochs[-1])


def numbers(table: Table) -> Parameters:
    """A search of one stage, for a table knows no continued training."""
    cheap, full = cheap_and_full(table)
    return Parameters(
        start=8, parents=(6,), promotions=(), stages=(cheap.e,), ageing=4, setting=cheap, final=full, budget=BUDGET
    )


def halving(table: Table, seed: int) -> Strategy:
    """Needs two trainings: with one rung it is a random search."""
    return SuccessiveHalving(table.space, [Rung(one, one.e) for one in cheap_and_full(table)], BUDGET, seed)


STRATEGIES: dict[str, tuple[int, Callable[[Table, int], Strategy]]] = {  # with the trials of a batch
    "hierarchical": (6, lambda table, seed: HierarchicalSearch(table.space, numbers(table), seed)),
    "random": (1, lambda table, seed: RandomBaseline(table.space, cheap_and_full(table)[0], BUDGET, seed)),
    "evolution": (
        1,
        lambda table, seed: RegularizedEvolution(
            table.space, cheap_and_full(table)[0], BUDGET, seed, population=12, sample=4
        ),
    ),
    "evolution then retrain": (
        1,
        lambda table, seed: evolution_then_retrain(table.space, numbers(table), seed, population=12, sample=4),
    ),
    "random then retrain": (3, lambda table, seed: random_then_retrain(table.space, numbers(table), seed)),
    "halving": (1, halving),
}
FRONTS: dict[str, dict[str, tuple[str, ...]]] = {  # options of `scarlet search` by table
    "201": {"default": (), "limits": ("--limit", "macs<=100e6", "--limit", "accuracy>=0.9", "--seed", "1")},
    "macro": {
        "default": (),
        "limits": ("--maximize", "accuracy", "--minimize", "macs", "--limit", "macs<=60e6", "--seed", "1"),
    },
}


def tabulated() -> Iterator[GoldenRun]:
    """Fronts by command, and every search of cheap trainings with two seeds."""
    for short, file in TABLES.items():
        path = DATA / file
        for goals, options in FRONTS[short].items():

            def front(folder: Path, path: Path = path, options: tuple[str, ...] = options) -> str:
                sizes = ("--population", 20, "--generations", 5, "--group", 7)
                commanded(
                    "scarlet",
                    "search",
                    "--table",
                    path,
                    "--surrogate",
                    "none",
                    *sizes,
                    *options,
                    "--out",
                    folder / "run",
                )
                found: str = json.loads(commanded("run", "digest", folder / "run", "--json"))["digest"]
                return found

            yield GoldenRun(f"{short}: scarlet search, {goals}", front, path)
        for name, (batch, make) in STRATEGIES.items():
            for seed in SEEDS if (short, name) != ("macro", "halving") else ():

                def search(
                    folder: Path,
                    path: Path = path,
                    batch: int = batch,
                    make: Callable[[Table, int], Strategy] = make,
                    seed: int = seed,
                ) -> str:
                    return finished(make(known(path), seed), known(path), folder, batch)

                yield GoldenRun(f"{short}: {name}, seed {seed}", search, path)


# ---------------------------------------------------------------- on invented measurements

FULL, GRID = ProxySetting.parse("c0r0s0e9"), [ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r0s1e2")]
STAGED = Parameters(
    start=10, parents=(4, 2, 2), promotions=(4, 2), stages=(2, 4, 6), ageing=3, cycles=6,
    setting=ProxySetting.parse("c4r4s0e6"), final=FULL, finalists=2, final_every=4,
    audit=Auditing(
        mode="escalate", cycles=(2, 4), networks=8, limit=0.99, share=0.7,
        ladder=(Step(ProxySetting.parse("c3r3s0e6"), 2.0), Step(ProxySetting.parse("c2r2s0e6"), 3.0)),
    ),
)  # fmt: skip


def weighted() -> Strategy:
    """Some generations with a limit on what is known beforehand, and one on what is not."""
    wishes = Goal(
        objectives=objectives(["accuracy"], ["macs"]),
        weights=(0.6, 0.4),
        limits=(Limit.parse("macs<=60e6"), Limit.parse("accuracy>=0.3")),
    )
    prices = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10))
    return WeightedSearch(
        NAS_BENCH_MACRO, prices, wishes, SearchParameters(population=8, generations=5, rounds=3), seed=1
    )


def continued_halving() -> Strategy:
    rungs = [Rung(FULL, stop) for stop in (2, 4, 9)]
    return SuccessiveHalving(NAS_BENCH_201, rungs, 200, seed=0, eta=2)


def retraining() -> Strategy:
    return Retraining([DARTS.sample(np.random.default_rng(seed)) for seed in range(3)], FULL, every=2)


INVENTED: dict[str, tuple[int, Callable[[], Strategy]]] = {  # with the trials of a batch
    "study": (2, lambda: Study(ECONAS_ZOO, GRID, FULL, repeats=2, growth=[3, 8], batch=2, seed=3)),
    "random search": (4, lambda: RandomSearch(DARTS, GRID[1], 11, seed=3)),
    "hierarchical with audits": (3, lambda: HierarchicalSearch(ECONAS_SEARCH, STAGED, seed=0)),
    "evolution": (1, lambda: RegularizedEvolution(ECONAS_SEARCH, GRID[1], 80, 0, population=8, sample=3)),
    "halving, continued": (1, continued_halving),
    "weighted search": (5, weighted),
    "retraining": (1, retraining),
    "supernet search": (1, lambda: SupernetSearch(SupernetConfig(), 3, per_epoch=4)),
}


def imagined() -> Iterator[GoldenRun]:
    """Strategies of every package on measurements that a hash gives."""
    for name, (batch, make) in INVENTED.items():

        def run(folder: Path, batch: int = batch, make: Callable[[], Strategy] = make) -> str:
            return finished(make(), invented, folder, batch)

        yield GoldenRun(f"invented: {name}", run)


RUNS = (*imagined(), *tabulated())

# ---------------------------------------------------------------- the file


def held() -> dict[str, str]:
    """The digests in the file by name; none where there is no file."""
    if not GOLDEN.exists():
        return {}
    digests: dict[str, str] = json.loads(GOLDEN.read_text(encoding="utf-8"))["digests"]
    return digests


def write() -> None:
    """Make every run that can be made here and write the file; says which digests are others than before."""
    before, after = held(), {}
    for run in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            digest = run.digest(Path(folder)) if run.possible else before.get(run.name)
        if digest is not None:
            after[run.name] = digest
        if digest != before.get(run.name):
            print(f"changed: {run.name}")
    GOLDEN.write_text(json.dumps({"recipe": RECIPE, "digests": after}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
