"""Any algorithm of pymoo as a strategy: what it asks for becomes trials, and it is told what they measured."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.plugins import reason_of
from zoo.population.chain_problem import Terms, chain_problem
from zoo.population.costs import Choices, with_costs
from zoo.population.front import Infeasible, Metrics, blocking
from zoo.population.pymoo_algorithm import Make
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import ChainGenotype

PATIENCE = 1000
"""Networks in a row that are known already or cost too much, after which the search ends."""


class PymooSearch:
    """Asks what the algorithm asks for and tells it when all of that is measured, so that nothing depends on workers.

    A network that misses a limit on costs takes no trial, nor does one that is known already. The algorithm draws from
    a generator of its own with the search's seed, so that pymoo alone with the same seed asks for the same networks.

    Args:
        terms: what is wanted.
        make: the algorithm, of :func:`zoo.population.pymoo_algorithm.algorithm` or a function of one's own.
        evaluations: networks measured at most.
        seed: of everything random in the algorithm.

    Raises:
        ValueError: for no evaluations.
    """

    def __init__(self, terms: Terms, make: Make, evaluations: int, seed: int) -> None:
        if evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {evaluations}")
        self._terms, self._make, self._evaluations, self._seed = terms, make, evaluations, seed
        self._algorithm: Any = None
        self._asked_for: Any = None  # what the algorithm was not told about yet
        self._generation, self._asked = 0, 0
        self._queue: list[ChainGenotype] = []
        self._open: dict[int, ChainGenotype] = {}
        self._known: dict[tuple[int, ...], Metrics | None] = {}
        self._finished = False

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next networks of what the algorithm asked for.

        Raises:
            Infeasible: if it comes by no network that keeps the limits on costs.
            ValueError: if the algorithm cannot be set up for the problem, or fails.
        """
        if n > 0 and not self._queue and not self._open and not self._finished:
            self._advance()
        batch, self._queue = self._queue[:n], self._queue[n:]
        self._open |= {first + i: genotype for i, genotype in enumerate(batch)}
        self._asked += len(batch)
        role, tags = "child" if self._generation > 1 else "start", {"generation": self._generation - 1}
        return [
            Trial(index=first + i, genotype=genotype, setting=None, start=0, stop=1, role=role, tags=tags)
            for i, genotype in enumerate(batch)
        ]

    def tell(self, records: Sequence[Record]) -> None:
        """Remember what was measured; a network that failed has the worst of everything."""
        for record in records:
            genotype = self._open.pop(record.index)
            found = with_costs(self._terms.costs, genotype, record.metrics) if record.ok else None
            self._known[genotype.choices] = found

    def resumable(self) -> set[int]:
        """Nothing: networks are evaluated with inherited weights, and keep none."""
        return set()

    def _advance(self) -> None:
        """Tell the algorithm what it asked for last, and queue what it asks for next."""
        vain = 0
        while vain < PATIENCE:
            choices = self._next()
            if self._finished:
                return
            rows = map(tuple, choices[self._terms.affordable(choices)].tolist())
            new = [row for row in dict.fromkeys(rows) if row not in self._known]
            if new:
                self._queue = [ChainGenotype(self._terms.space.name, row) for row in new]
                del self._queue[self._evaluations - self._asked :]
                return
            vain += len(choices)
        self._finished = True
        if not self._asked:
            raise self._infeasible(choices)

    def _next(self) -> Choices:
        """The (n, positions) networks that the algorithm asks for after it was told; none where it has finished."""
        self._finished = self._asked >= self._evaluations
        try:
            if self._algorithm is None:
                self._set_up()
            elif not self._finished:
                # Its evaluator asks our problem, which knows them all; only trials count for the end.
                self._algorithm.evaluator.eval(self._algorithm.problem, self._asked_for, algorithm=self._algorithm)
                self._algorithm.evaluator.n_eval = self._asked
                self._algorithm.tell(infills=self._asked_for)
            self._finished = self._finished or not self._algorithm.has_next()
            self._asked_for = None if self._finished else self._algorithm.ask()
            asked = None if self._asked_for is None else self._asked_for.get("X")
        except Exception as error:  # pymoo's and other packages' algorithms: whatever does not suit them
            name = "the algorithm" if self._algorithm is None else type(self._algorithm).__name__
            raise ValueError(f"{name} cannot go on: {reason_of(error)}") from error
        nothing = np.zeros((0, len(self._terms.space.options)))
        choices = self._terms.choices(nothing if asked is None else asked)
        self._finished = not len(choices)
        self._generation += not self._finished
        return choices

    def _set_up(self) -> None:
        problem = chain_problem(self._terms, self._unmeasured)
        problem.known = self._known
        self._algorithm = copy.deepcopy(self._make(problem))  # parts of pymoo's have state, and are shared as defaults
        ending = ("n_eval", self._evaluations)
        self._algorithm.setup(problem, termination=ending, seed=self._seed, verbose=False)

    def _unmeasured(self, choices: Choices) -> Sequence[Metrics | None]:
        raise AssertionError(f"the algorithm asked about {len(choices)} networks that it was not told of")

    def _infeasible(self, choices: Choices) -> Infeasible:
        prices = self._terms.costs(choices)
        rows = [{name: float(values[i]) for name, values in prices.items()} for i in range(len(choices))]
        limits, why = blocking(self._terms.on_costs, rows)
        return Infeasible(limits, f"the algorithm came by none among {PATIENCE}; in its last generation {why}")
