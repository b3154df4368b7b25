"""What a search measures networks with: a published table, or a trained supernet."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.population.executor import Executor, SerialExecutor
from zoo.population.prices import PricedEvaluator, Prices, Together, read_latency
from zoo.population.table import Table, read_table
from zoo.population.trial import Evaluator
from zoo.spaces.chain_space import ChainSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A way to measure the networks of a space.

    Attributes:
        space: of the networks.
        prices: what is known before an evaluation.
        measured: what an evaluation measures.
        identity: what makes the same search on the same source the same run.
        make: makes a worker's evaluator from the payload; can be sent to a worker.
        payload: what goes to every node once.
        threads: CPU threads of a worker.
    """

    space: ChainSpace
    prices: Prices
    measured: tuple[str, ...]
    identity: dict[str, Any]
    make: Callable[[Any], Evaluator]
    payload: Any
    threads: int = 1

    def executor(self, workers: int, gpus: float, address: str | None) -> Executor:
        """Workers that measure: this process, or Ray's."""
        if workers == 1 and address is None:
            return SerialExecutor(self.make(self.payload))
        # Ray takes seconds to import; serial runs do without.
        from zoo.population.ray_executor import RayExecutor

        return RayExecutor(self.make, self.payload, workers=workers, cpus=self.threads, gpus=gpus, address=address)


def table_source(path: Path, latency: Path | None) -> Source:
    """A published table as a source.

    Args:
        path: of the table.
        latency: of a table of latencies, if there is one.

    Raises:
        ValueError: as :func:`read_table` and :func:`read_latency`.
    """
    table = read_table(path)
    prices = with_latency(table.prices, latency, table.space)
    return Source(
        space=table.space,
        prices=prices,
        measured=("accuracy",),
        identity={"table": _hash(path), **latency_identity(latency)},
        make=_table_evaluator,
        payload=(table, prices),
    )


def with_latency(prices: Prices, path: Path | None, space: ChainSpace) -> Prices:
    """The prices with a measured latency, where there is a table of it.

    Raises:
        ValueError: as :func:`read_latency`.
    """
    return prices if path is None else Together((prices, read_latency(path, space.options)))


def latency_identity(path: Path | None) -> dict[str, str]:
    """A run's latencies by what they are, not by where they lie."""
    return {} if path is None else {"latency": _hash(path)}


def _table_evaluator(payload: tuple[Table, Prices]) -> Evaluator:
    table, prices = payload
    return PricedEvaluator(table, prices)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
