"""The delivery: the models chosen from a run, as files in every format asked for, whole or not at all."""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from zoo.export.card import Card, markdown_page
from zoo.export.chosen import ChosenModel, table_rows
from zoo.export.formats import TOLERANCE, require
from zoo.export.front_charts import axis
from zoo.export.front_page import number, page, pictures
from zoo.export.script import SCRIPT, predict_script
from zoo.population.front import Numbers
from zoo.population.run_front import RunFront
from zoo.spaces.blueprint import Blueprint

if TYPE_CHECKING:
    from zoo.export.model import Model

FORMATS = ("json", "csv", "parquet", "state", "safetensors", "torch", "onnx", "table")
WITH_WEIGHTS = ("state", "safetensors", "torch", "onnx")
_NEEDS = {
    "parquet": ("pyarrow",),
    "safetensors": ("safetensors",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
}
_SUFFIXES = {"state": ".pt", "safetensors": ".safetensors", "torch": ".pt2", "onnx": ".onnx"}
UNFINISHED = ".new-"
"""How the names of folders begin in which a delivery grows until it is whole."""
LABELS, CARD = "labels.txt", "MODEL.md"
"""The names of the classes, one a line, in the order of the logits; the model card."""
FRONT_PAGE, MODEL_PAGE = "front.html", "model.html"
"""The page of a front, and that of a single model."""
DELIVERED = re.compile(
    r"model-[0-9]{2,}\.(json|pt|pt2|onnx|safetensors)|models\.(json|csv|parquet|md)|history\.(csv|parquet)"
    r"|hypervolume\.(csv|parquet|svg|png)|front\.(svg|png|html)|model\.html|MODEL\.md|predict_onnx\.py"
    r"|labels\.txt|classes\.txt"
)
"""The names of the files that a delivery may consist of."""

Weights = Callable[[int], "Model"]
"""The model of a row of a front, with its weights; raises ValueError where there are none."""


def parse_formats(text: str) -> tuple[str, ...]:
    """Formats from a list separated by commas, once it is known that they can be written here.

    Raises:
        ValueError: for an unknown format, or one whose packages are missing.
    """
    wanted = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ValueError(f"unknown format {', '.join(unknown) or 'none'}, expected some of {', '.join(FORMATS)}")
    for name in wanted:
        require(name, _NEEDS.get(name, ()))
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is handed over.

    Attributes:
        found: the front.
        chosen: rows of the models, in the order of their numbers.
        formats: of :data:`FORMATS`.
        weights: gives the models; called for formats that hold weights only.
        about: facts of the run for the page.
        planned: gives everything that builds the network of a row; None: only genotypes are known.
        retrained: by row, models that were trained again, whose weights and numbers are handed over instead.
        images: how many the run's accuracies were measured on: ``validation_images``, ``test_images``.
        single: whether it is one model: its page begins with its card then, where its weights are at hand.
        own: the run's own model, which is at hand whatever the formats are.
        remark: the page's first sentence; may be empty.
    """

    found: RunFront
    chosen: Numbers
    formats: tuple[str, ...]
    weights: Weights
    about: dict[str, Any]
    planned: Callable[[int], Blueprint] | None = None
    retrained: "Mapping[int, Model]" = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    single: bool = False
    own: "Model | None" = None
    remark: str = ""

    def write(self, folder: Path) -> dict[str, Any]:
        """Write everything, in the place of an earlier delivery, of which nothing is left once all is there.

        Returns:
            What was written: the models with their files, as in models.json.

        Raises:
            ValueError: if weights are missing or a program deviates; the folder is as it was then.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{UNFINISHED}*"):  # a delivery that was killed could not
            shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(dir=folder, prefix=UNFINISHED))
        try:
            summary = self._write(made)
            new = sorted(path.name for path in made.iterdir())
            for name in new:
                (made / name).replace(folder / name)
            for path in folder.iterdir():
                if DELIVERED.fullmatch(path.name) and path.name not in new:
                    path.unlink()
        finally:
            shutil.rmtree(made, ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        return summary

    def _write(self, folder: Path) -> dict[str, Any]:
        models = [self._model(number, int(row)) for number, row in enumerate(self.chosen, start=1)]
        facts = [self._files(folder, model) for model in models]
        growth = self.found.growth()
        self._tables(folder, models, growth)
        # With one objective a front is a point; a model that a run ends with was not chosen from one.
        several = len(self.found.objectives) > 1 and self.own is None
        drawn = pictures(self.found, self.chosen) if several else None
        if drawn is not None:
            for name, picture in zip(("front", "hypervolume")[: len(models)], drawn, strict=False):
                (folder / f"{name}.svg").write_text(picture.svg, encoding="utf-8")
                (folder / f"{name}.png").write_bytes(picture.png)
        if classes := models[0].blueprint.classes:
            (folder / LABELS).write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        handed = [(self._card(model), one["files"]) for model, one in zip(models, facts, strict=True) if "files" in one]
        if handed:
            (folder / CARD).write_text(markdown_page(handed), encoding="utf-8")
        if "onnx" in self.formats:
            (folder / SCRIPT).write_text(predict_script(), encoding="utf-8")
        card = self._card(models[0]) if self.single and models[0].model is not None else None
        page_name = FRONT_PAGE if card is None else MODEL_PAGE
        (folder / page_name).write_text(
            page(self.found, models, self._told, several, card, facts[0].get("files")), encoding="utf-8"
        )
        summary = {
            "run": self.found.name,
            "page": page_name,
            "objectives": [str(one) for one in self.found.objectives],
            "limits": [str(one) for one in self.found.limits],
            "hypervolume": float(growth["hypervolume"].iloc[-1]),
            "measured": len(self.found.trials),
            "front": len(self.found.front),
            "tolerance": TOLERANCE,
            "models": facts,
        }
        if "json" in self.formats:
            for model in models:
                (folder / f"model-{model.number:02d}.json").write_text(
                    model.blueprint.to_json() + "\n", encoding="utf-8"
                )
            text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
            (folder / "models.json").write_text(text, encoding="utf-8")
        return summary

    @property
    def _told(self) -> dict[str, Any]:
        return {**self.about, "remark": self.remark}

    def _tables(self, folder: Path, models: Sequence[ChosenModel], growth: pd.DataFrame) -> None:
        """Models and history; how the front grew only where there are several models of it."""
        frame = self.found.frame()
        measured = frame.iloc[self.chosen].drop(columns=["front", "allowed"])
        chosen = pd.DataFrame(list(table_rows(models, measured.to_dict("records"))))
        tables = {"models": chosen, "history": frame} | ({"hypervolume": growth} if len(models) > 1 else {})
        for name, table in tables.items():
            if "csv" in self.formats:
                table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
            if "parquet" in self.formats:
                table.to_parquet(folder / f"{name}.parquet", index=False)
        if "table" in self.formats:
            (folder / "models.md").write_text(markdown(chosen.drop(columns=["genotype"])), encoding="utf-8")

    def _model(self, number: int, row: int) -> ChosenModel:
        trial, model = self.found.trials[row], self.retrained.get(row)
        if model is None:
            model = self.weights(row) if any(name in WITH_WEIGHTS for name in self.formats) else self.own
        if model is not None:
            blueprint = model.blueprint
        else:
            blueprint = Blueprint(genotype=trial.genotype) if self.planned is None else self.planned(row)
        return ChosenModel(
            number=number,
            row=row,
            trial=trial,
            record=self.found.records[row],
            blueprint=blueprint,
            model=model,
            retrained=row in self.retrained,
        )

    def _card(self, chosen: ChosenModel) -> Card:
        assert chosen.model is not None  # called for models with weights only
        return Card(
            model=chosen.model,
            metrics=chosen.metrics,
            images=self.images if chosen.searched else {},
            run=self.found.name,
            digest=self.about.get("digest", ""),
        )

    def _files(self, folder: Path, chosen: ChosenModel) -> dict[str, Any]:
        """Write a model's weights in every format that holds them; what models.json says of it."""
        facts: dict[str, Any] = {
            "model": chosen.number,
            "trial": chosen.trial.index,
            "key": chosen.trial.genotype.key,
            "metrics": dict(chosen.metrics),
            **({} if chosen.searched else {"inherited": dict(chosen.inherited)}),
            "genotype": chosen.trial.genotype.to_dict(),
        }
        wanted, model = [name for name in self.formats if name in WITH_WEIGHTS], chosen.model
        if model is not None:
            card = self._card(chosen)
            facts["weights"] = {"notes": model.notes, **card.facts}
        if model is None or not wanted:
            return facts
        from zoo.export.model import save_model, save_safetensors  # here: a front of a table is written without torch
        from zoo.export.program import save_onnx, save_program

        facts["files"], facts["deviations"] = {}, {}
        for name in wanted:
            path = folder / f"model-{chosen.number:02d}{_SUFFIXES[name]}"
            facts["files"][name] = path.name
            if name == "state":
                save_model(model, path)
            elif name == "safetensors":
                facts["deviations"][name] = save_safetensors(model, path)
            else:
                save = save_program if name == "torch" else save_onnx
                facts["deviations"][name] = save(model, path, card.metadata())
        return facts


def markdown(table: pd.DataFrame) -> str:
    """A table for people, in Markdown."""
    heads = [axis(name) for name in table.columns]
    lines = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in table.itertuples(index=False))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
