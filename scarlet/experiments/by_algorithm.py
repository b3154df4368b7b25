"""A front by an algorithm of pymoo as an experiment: everything but the algorithm is as in the weighted search."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from scarlet.experiments.audit_result import AuditResult
from scarlet.experiments.front import FrontExperiment
from scarlet.experiments.measurement import Measurement
from zoo.experiments.kinds.compared import ComparisonResult
from zoo.population.chain_problem import Terms, chain_problem
from zoo.population.costs import Choices
from zoo.population.front import Metrics
from zoo.population.pymoo_algorithm import algorithm
from zoo.population.pymoo_search import PymooSearch
from zoo.population.trial import Job, Trial
from zoo.spaces.chain_space import CHAIN_SPACES

if TYPE_CHECKING:
    from zoo.experiments.run import Run


@dataclass(frozen=True, kw_only=True)
class AlgorithmExperiment(FrontExperiment):
    """The search for networks that no other beats, by an algorithm of pymoo.

    The parameters of the weighted search, its audit and its comparison have no use here.

    Attributes:
        algorithm: name of a class of pymoo's, or of what an installed package adds.
        population: networks of a generation.
        evaluations: networks measured at most.

    Raises:
        ValueError: for a value out of range, or another algorithm.
    """

    name: ClassVar[str] = "pymoo"
    version: ClassVar[int] = 1
    continues: ClassVar[tuple[int, ...]] = ()
    adjustable: ClassVar[tuple[str, ...]] = ("metric",)
    requested: ClassVar[tuple[str, ...]] = (*FrontExperiment.requested, "parameters", "compare")

    algorithm: str = "NSGA2"
    population: int = 70
    evaluations: int = 8540

    def __post_init__(self) -> None:
        super().__post_init__()
        algorithm(self.algorithm, self.population)
        if self.evaluations < 1:
            raise ValueError(f"evaluations must be at least 1, got {self.evaluations}")
        if self.audit is not None or self.compare or self.compare_where_cheap:
            raise ValueError("audits and comparisons are of the weighted search, expected none with an algorithm")

    @property
    def terms(self) -> Terms:
        """What is wanted, once the search is fitted.

        Raises:
            ValueError: before that, or for an objective or a limit on something that is not known.
        """
        space = CHAIN_SPACES.get(self.space)
        if space is None or self.costs is None:
            raise ValueError("this search does not know yet what it measures with; fitted() says it")
        goal = self.goal
        return Terms(
            space=space, costs=self.costs, objectives=goal.objectives, limits=goal.limits, measured=self.measured
        )

    def strategy(self) -> PymooSearch:  # type: ignore[override]  # as good a strategy as those of the weighted search
        """A fresh search.

        Raises:
            ValueError: as :attr:`terms`.
        """
        return PymooSearch(self.terms, algorithm(self.algorithm, self.population), self.evaluations, self.seed)

    def problem(self, material: Measurement) -> Any:
        """The search as a problem of pymoo's, for an algorithm that somebody runs on their own; it is not journaled.

        Args:
            material: that the search was fitted to.
        """
        evaluate, terms, numbers = self.evaluator(material), self.terms, itertools.count()

        def measure(choices: Choices) -> Sequence[Metrics | None]:
            jobs = [
                Job(Trial(index=index, genotype=genotype, setting=None, start=0, stop=1), index, None)
                for genotype, index in zip(terms.genotypes(choices), numbers, strict=False)
            ]
            found: dict[int, Mapping[str, float] | None] = {}
            for first in range(0, len(jobs), self.group):
                outcomes = evaluate(jobs[first : first + self.group])
                found |= {record.index: record.metrics if record.ok else None for record, _ in outcomes}
            return [found[job.trial.index] for job in jobs]

        return chain_problem(terms, measure)

    def _most(self) -> float:
        return self.evaluations

    def _remark(self, found: AuditResult | None) -> str:
        if "supernet" not in self.measurement:
            return ""
        return "How well the supernet ranks these networks is not known: thriftnas scarlet search --audit 10 asks it."

    def _compared(self, run: "Run", found: ComparisonResult | None) -> str:
        return ""
