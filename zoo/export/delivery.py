"""The delivery: the models chosen from a run, as files in every format asked for, whole or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from zoo.export.front_page import axis, number, pictures, write_page
from zoo.export.model import Model, save_model
from zoo.export.program import TOLERANCE, require, save_onnx, save_program
from zoo.population.front import Numbers
from zoo.population.run_front import RunFront

FORMATS = ("json", "csv", "parquet", "state", "torch", "onnx", "table")
WITH_WEIGHTS = ("state", "torch", "onnx")
_NEEDS = {"parquet": ("pyarrow",), "onnx": ("onnx", "onnxscript", "onnxruntime")}
_SUFFIXES = {"state": ".pt", "torch": ".pt2", "onnx": ".onnx"}
UNFINISHED = ".new-"
"""How the names of folders begin in which a delivery grows until it is whole."""

Weights = Callable[[int], Model]
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
    """

    found: RunFront
    chosen: Numbers
    formats: tuple[str, ...]
    weights: Weights
    about: dict[str, Any]

    def write(self, folder: Path) -> dict[str, Any]:
        """Write everything; files of an earlier delivery that have the same names are replaced once all are there.

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
            for path in sorted(made.iterdir()):
                path.replace(folder / path.name)
        finally:
            shutil.rmtree(made, ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        return summary

    def _write(self, folder: Path) -> dict[str, Any]:
        models = [self._model(folder, number, int(row)) for number, row in enumerate(self.chosen, start=1)]
        frame = self.found.frame()
        chosen = frame.iloc[self.chosen].drop(columns=["front", "allowed"])
        chosen.insert(0, "model", range(1, len(chosen) + 1))
        growth = self.found.growth()
        for name, table in (("models", chosen), ("history", frame), ("hypervolume", growth)):
            if "csv" in self.formats:
                table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
            if "parquet" in self.formats:
                table.to_parquet(folder / f"{name}.parquet", index=False)
        if "table" in self.formats:
            (folder / "models.md").write_text(markdown(chosen.drop(columns=["genotype"])), encoding="utf-8")
        for name, picture in zip(("front", "hypervolume"), pictures(self.found, self.chosen), strict=True):
            (folder / f"{name}.svg").write_text(picture.svg, encoding="utf-8")
            (folder / f"{name}.png").write_bytes(picture.png)
        write_page(self.found, self.chosen, self.about, folder / "front.html")
        summary = {
            "run": self.found.name,
            "objectives": [str(one) for one in self.found.objectives],
            "limits": [str(one) for one in self.found.limits],
            "hypervolume": float(growth["hypervolume"].iloc[-1]),
            "measured": len(self.found.trials),
            "front": len(self.found.front),
            "tolerance": TOLERANCE,
            "models": models,
        }
        if "json" in self.formats:
            for model in models:
                text = json.dumps(model["genotype"], separators=(",", ":")) + "\n"
                (folder / f"model-{model['model']:02d}.json").write_text(text, encoding="utf-8")
            text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
            (folder / "models.json").write_text(text, encoding="utf-8")
        return summary

    def _model(self, folder: Path, number: int, row: int) -> dict[str, Any]:
        trial, record = self.found.trials[row], self.found.records[row]
        facts: dict[str, Any] = {
            "model": number,
            "trial": trial.index,
            "key": trial.genotype.key,
            "metrics": dict(record.metrics),
            "genotype": trial.genotype.to_dict(),
        }
        wanted = [name for name in self.formats if name in WITH_WEIGHTS]
        if not wanted:
            return facts
        model = self.weights(row)
        facts["weights"] = {"notes": model.notes, "classes": list(model.classes), "input": _input(model)}
        facts["files"], facts["deviations"] = {}, {}
        for name in wanted:
            path = folder / f"model-{number:02d}{_SUFFIXES[name]}"
            facts["files"][name] = path.name
            if name == "state":
                save_model(model, path)
            else:
                facts["deviations"][name] = (save_program if name == "torch" else save_onnx)(model, path)
        return facts


def _input(model: Model) -> dict[str, Any]:
    """What the network's programs take."""
    side = model.skeleton.resolution
    return {"shape": ["images", model.skeleton.in_channels, side, side], "dtype": "float32", "range": [0, 1]}


def markdown(table: pd.DataFrame) -> str:
    """A table for people, in Markdown."""
    heads = [axis(name) for name in table.columns]
    lines = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in table.itertuples(index=False))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
