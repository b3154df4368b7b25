"""The options that a job was given, and how they are shared out to what they belong to."""

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thriftnas.material import listener, report_of, source_of
from zoo.experiments import Experiment, Resources, Run, Source, execute
from zoo.experiments.resources import threads_of
from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import Recipe
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.training.recipe import Precision

RATES = {
    **dict.fromkeys(("batch", "lr", "lr_min", "warmup", "warmup_lr", "momentum", "weight_decay", "clip")),
    **dict.fromkeys(("cutout", "path_dropout", "smoothing")),
}
"""Options that are fields of a recipe; see :meth:`Given.named`."""

CUTOUT = 0.5
"""Side of the blanked square where cutout is only wanted, as a share of the image's."""


class Given:
    """The options that a job was given, taken out one after the other; what is left at the end has no use.

    Args:
        job: name of the function.
        options: as given; None is as good as none.
        known: the typed dictionary of the job's options.

    Raises:
        ValueError: for an option that the job does not have.
    """

    def __init__(self, job: str, options: Mapping[str, Any], known: Any) -> None:
        self._job = job
        self._rest = {name: value for name, value in options.items() if value is not None}
        self._device = "cpu"
        names = sorted(known.__optional_keys__)
        for name in options:
            if name not in names:
                near = get_close_matches(name, names, 1)
                raise ValueError(f"{job} has no option {name!r}, expected {near[0] if near else ', '.join(names)}")

    def take(self, name: str, usual: Any = None) -> Any:
        """An option, or what is usual."""
        return self._rest.pop(name, usual)

    def named(self, names: Mapping[str, str | None]) -> dict[str, Any]:
        """The given ones of some options, by what they are called elsewhere; None: as here."""
        return {other or name: self._rest.pop(name) for name, other in names.items() if name in self._rest}

    def texts(self, name: str) -> tuple[str, ...]:
        """An option that is one text or several."""
        value = self.take(name, ())
        return (value,) if isinstance(value, str) else tuple(value)

    def source(self, data: Any, *, resolution: int | None = None, streamed: bool = False) -> Source:
        """Where the images lie.

        Args:
            data: images.
            resolution: the usual one; None: the data's own.
            streamed: whether they are decoded while a network trains.

        Raises:
            ValueError: for anything but a name, a folder, arrays or an image set.
        """
        counts: dict[str, Any] = {name: self.take(name) for name in ("train", "validation")}
        counts |= {"resolution": self.take("resolution", resolution), "skip_bad": self.take("skip_bad", False)}
        return source_of(data, **counts, streamed=streamed)

    def changed(self, recipe: Recipe, **more: Any) -> Recipe:
        """The recipe with what is given in other numbers.

        Raises:
            ValueError: for a value out of range.
        """
        rates = self.named(RATES)
        if isinstance(rates.get("cutout"), bool):
            rates["cutout"] = CUTOUT if rates["cutout"] else 0.0
        return dataclasses.replace(recipe, **rates, **more)

    def precision(self, *, distributed: bool = False) -> "Precision":
        """Device, dtype and memory format: of workers, or of this process, which torchrun may have started.

        Raises:
            ValueError: for a device that is not there, or a dtype that it cannot compute with.
        """
        from zoo.training.device import choose_precision, process_precision

        device, dtype = self.take("device", "auto"), self.take("dtype", "float32")
        channels_last = self.take("channels_last", True)
        if distributed:
            found = process_precision(device, dtype, channels_last)
            self._device = found.device
            return found
        gpus, address = self._rest.get("gpus", 0.0), self._rest.get("address")
        return choose_precision(device, dtype, channels_last, gpus=gpus, address=address)

    def numbers(self, alone: "Path | str | None" = None) -> dict[str, int]:
        """Seed and threads; after the precision, which says where networks are computed.

        Args:
            alone: the folder of a run without workers, which chooses its threads at its start; None: it has workers.

        Raises:
            ValueError: for a value out of range.
        """
        seed, threads = self.take("seed", 0), self.take("threads")
        if threads is None:
            threads = 1 if alone is None else threads_of(Path(alone).expanduser(), self._device)
        if seed < 0 or threads < 1:
            raise ValueError(f"threads must be at least 1 and the seed at least 0, got {threads} and {seed}")
        return {"seed": seed, "threads": threads}

    def grouping(self) -> dict[str, Any]:
        """The group of networks that are trained at a time: the one given, or the run's own."""
        return self.named({"group": None}) or {"choose_group": True}

    def setup(self, recipe: Recipe, *, channels: int, cells: int) -> TrainingSetup:
        """How networks of cells are trained.

        Args:
            recipe: the usual one.
            channels: usual ones.
            cells: usual number of them.

        Raises:
            ValueError: for a value out of range.
        """
        return TrainingSetup(
            skeleton=Skeleton(channels=self.take("channels", channels), cells=self.take("cells", cells)),
            recipe=self.changed(recipe),
            precision=self.precision(),
            engine=self.take("engine", "auto"),
            streams=self.take("streams", 1),
            **self.numbers(),
        )

    def done(self) -> None:
        """Everything that has a use is taken.

        Raises:
            ValueError: for an option that is left.
        """
        if self._rest:
            raise ValueError(f"{self._job} has no use here for {', '.join(sorted(self._rest))}, expected it left out")

    def run(self, experiment: Experiment, source: Source, folder: "Path | str") -> Run:
        """Run the experiment; its report is written beside the journal.

        Raises:
            ValueError: for an option that has no use here, or as :func:`zoo.experiments.execute`.
        """
        workers, gpus, address = self.take("workers"), self.take("gpus", 0.0), self.take("address")
        resources = Resources.asked(workers, gpus, address, experiment.device)
        deadline, progress = self.take("deadline"), self.take("progress", True)
        self.done()
        resources.check(experiment.device)
        fitting = resources.fitting(experiment.threads)
        with listener(progress) as listen:
            run = execute(experiment, source, Path(folder).expanduser(), fitting, deadline=deadline, listen=listen)
        return report_of(run)
