"""EcoNAS on a published table as an experiment: nothing is trained, and every training is charged as published."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from econas.limited_space import Prices
from econas.search import Search, estimate_of, winner_of
from econas.strategy.parameters import CHOSEN, Parameters
from zoo.experiments.estimate import JOURNAL_BYTES, Estimate
from zoo.experiments.resources import Say
from zoo.experiments.run import Run
from zoo.experiments.source import HeldSource, Source
from zoo.experiments.table_source import TableSource
from zoo.files import write_json
from zoo.population.costs import CostedEvaluator, Costs, costs_of
from zoo.population.front import require_known
from zoo.population.metric import AUTO
from zoo.population.proxy import ProxySetting
from zoo.population.table import Table, read_table
from zoo.population.trial import Evaluator
from zoo.reliability.signal import ACCURACY
from zoo.spaces.chain_space import CHAIN_SPACES, ChainSpace


@dataclass(frozen=True, kw_only=True)
class TableExperiment(Search):
    """A search on a table: cheap trainings of one of its schedules, the best retrained by another.

    Where both are the same nothing is retrained.

    Attributes:
        seed: of everything random.
        costs: what the table says of networks beforehand, which :meth:`fitted` fills in.
    """

    name: ClassVar[str] = "econas-table"
    random_part: ClassVar[int] = 4
    looked_up: ClassVar[bool] = True
    requested: ClassVar[tuple[str, ...]] = ("costs",)

    seed: int = 0
    costs: Costs | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise ValueError(f"the seed must not be negative, got {self.seed}")
        if self.parameters.audit is not None:
            raise ValueError("a table knows no dearer setting of the same epochs, so a search on it has no audits")
        for name in CHOSEN:
            if (value := getattr(self.parameters, name)) != ACCURACY:
                raise ValueError(f"a table has nothing but accuracy, expected --{name} {ACCURACY}, got {value!r}")

    @classmethod
    def source(cls, data: Mapping[str, Any]) -> Source:
        """A table."""
        return TableSource.from_dict(data)

    def search_space(self) -> ChainSpace:
        """The table's space."""
        return CHAIN_SPACES[self.space]

    def fitted(self, material: Table, say: Say) -> Self:
        """The search in the table's space.

        Raises:
            ValueError: for a training that the table does not know, a limit on something that it does not list, or
                limits that no network keeps.
        """
        numbers = self.parameters
        require_known(self.within, material.costs.names)
        check_schedules(material, numbers.setting, numbers.final)
        if len(numbers.stages) > 1 or numbers.final_every not in (None, numbers.final.e):
            raise ValueError(f"stages: the table knows no training in stages, expected 1, got {len(numbers.stages)}")
        return replace(self, data=material.fingerprint, space=material.space.name, costs=material.costs).checked()

    def prices(self) -> Prices:
        """What the table lists."""
        costs = self.costs
        return super().prices() if costs is None else lambda genotype: costs_of(costs, genotype)

    def describe(self, material: Table) -> Mapping[str, Any]:
        """The space and its schedules."""
        return {"space": material.space.name, "networks": material.space.size, "epochs": list(material.epochs)}

    def evaluator(self, material: Table) -> Evaluator:
        """Looks networks up, with the costs that the table lists."""
        return CostedEvaluator(replace(material, seed=self.seed), material.costs)

    def estimate(self, material: Table, workers: int) -> Estimate:
        """Trials and epochs at most; nothing is trained, so it takes no time to speak of."""
        return estimate_of(self, {"disk_mb": self.trials * JOURNAL_BYTES / 1e6})

    def finish(self, run: Run, material: Table) -> Mapping[str, Any]:
        """Write the winner: its genotype, and its accuracies after the cheap and after the full training.

        Raises:
            ValueError: if the search found nothing.
        """
        trial, record = winner_of(run, self.terms)
        numbers = self.parameters
        accuracies = material.accuracies[trial.genotype.choices]  # type: ignore[union-attr]  # tables have chains
        summary: dict[str, Any] = {
            "trial": trial.index,
            **record.metrics,
            "accuracies": {str(one): accuracies[one.e] for one in dict.fromkeys((numbers.setting, numbers.final))},
            "data": material.space.name,
            "seed": self.seed,
        }
        write_json(run.folder / "best.json", {**summary, "genotype": trial.genotype.to_dict()})
        write_json(run.folder / "genotype.json", trial.genotype.to_dict())
        return summary


def table_search(
    file: Path,
    columns: str | None,
    setting: str | None,
    final: str | None,
    stages: int | None,
    numbers: Mapping[str, Any],
    **own: Any,
) -> tuple[TableExperiment, HeldSource]:
    """The search on a table that options ask for, and its source.

    Args:
        file: of the table.
        columns: that say which accuracies; None: the table's usual ones.
        setting: of the search as text; None: the table's shortest schedule.
        final: of the retraining as text; None: its longest.
        stages: of the cheap schedule, which a table does not divide.
        numbers: other numbers of the search.
        own: method, seed and group.

    Raises:
        ValueError: for a file that is no table, or what the table does not know.
    """
    if stages not in (None, 1):
        raise ValueError(f"stages: the table knows no training in stages, expected 1, got {stages}")
    known = read_table(file, columns)
    cheap, full = (None if text is None else ProxySetting.parse(text) for text in (setting, final))
    experiment = TableExperiment(parameters=table_parameters(known, cheap, full, **numbers), **own)
    return experiment, HeldSource(material=known, origin=TableSource(table=file, columns=columns))


def check_schedules(table: Table, *settings: ProxySetting) -> None:
    """Find out whether a table knows trainings at settings.

    Raises:
        ValueError: for one that it does not know.
    """
    known = [str(ProxySetting(0, 0, 0, epochs)) for epochs in table.epochs]
    for setting in settings:
        if str(setting) not in known:
            raise ValueError(f"the table knows trainings at {', '.join(known)}, got {setting}")


def table_parameters(
    table: Table, setting: ProxySetting | None = None, final: ProxySetting | None = None, **changes: Any
) -> Parameters:
    """EcoNAS's numbers for a table: one stage, since a table knows no continued training.

    Args:
        table: whose trainings are looked up.
        setting: of the search; None: the table's shortest schedule.
        final: of the retraining; None: its longest.
        changes: other numbers than the paper's; with a budget and without cycles the budget ends the search.

    Raises:
        ValueError: for a training that the table does not know, or numbers that do not fit together.
    """
    setting = ProxySetting(0, 0, 0, table.epochs[0]) if setting is None else setting
    final = ProxySetting(0, 0, 0, table.epochs[-1]) if final is None else final
    check_schedules(table, setting, final)
    numbers: dict[str, Any] = {"stages": (setting.e,), "parents": (sum(Parameters().parents),), "promotions": ()}
    if changes.get("budget") is not None:
        numbers["cycles"] = 1 + int(changes["budget"] // setting.e)
    if changes.get("metric") == AUTO:  # a table has nothing but accuracy
        changes["metric"] = ACCURACY
    return Parameters(**{**numbers, **changes, "setting": setting, "final": final})
