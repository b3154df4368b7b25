"""Options of SCARLET's commands in groups; nothing here imports torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from scarlet.strategy.parameters import SearchParameters
from zoo.commands import options as opt

if TYPE_CHECKING:
    from zoo.experiments import ImageSource

DEFAULTS = SearchParameters()


def _search(text: str) -> Any:
    return opt.option(text, "Search")


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """The images of a supernet."""

    data: Annotated[str | None, opt.option("Images; those of the supernet's own run by default.", "Data")] = None
    train: Annotated[int | None, opt.option("Training images of --data in total; all by default.", "Data")] = None
    validation: Annotated[
        int | None, opt.option("Validation images of --data; a fifth by default.", "Data", "--val")
    ] = None

    def source(self, supernet: Path) -> "ImageSource":
        """Where they lie.

        Raises:
            ValueError: where no images are named and the supernet does not lie in its run.
        """
        from scarlet.experiments.sources import supernet_images

        return supernet_images(supernet, self.data, self.train, self.validation)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Sizes, shares and patience of the search."""

    population: Annotated[int, _search("Networks of a generation, with a surrogate at most.")] = DEFAULTS.population
    generations: Annotated[int, _search("Generations after the start, of that size.")] = DEFAULTS.generations
    budget: Annotated[int | None, _search("Networks evaluated at most; no limit by default.")] = DEFAULTS.evaluations
    mutation: Annotated[float, _search("Share of children by mutation; the others by crossover.")] = DEFAULTS.mutation
    random: Annotated[float, _search("Share of random mutations.")] = DEFAULTS.random
    reinforced: Annotated[float, _search("Share of mutations by the learned policy.")] = DEFAULTS.reinforced
    prior: Annotated[float, _search("Share of mutations by what the front has.")] = DEFAULTS.prior
    single: Annotated[float, _search("Share of mutations that change one layer.")] = DEFAULTS.single
    several: Annotated[int, _search("Layers the other mutations change.")] = DEFAULTS.several
    surrogate: Annotated[str, _search("Proposes networks: auto, forest, gp; none is the paper's search.")] = "auto"
    rounds: Annotated[int, _search("Rounds of replacing networks that miss a limit.")] = DEFAULTS.rounds

    def numbers(self) -> SearchParameters:
        """The parameters.

        Raises:
            ValueError: for a number out of range, or shares of mutations that do not sum to 1.
        """
        given = asdict(self)
        return SearchParameters(evaluations=given.pop("budget"), **given)
