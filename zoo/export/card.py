"""The card of a model: what whoever deploys it must know, as metadata of its files and for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.export.script import SCRIPT
from zoo.pages.written import percent
from zoo.population.front import Metrics
from zoo.population.share import wilson
from zoo.spaces.chain_cost import network_cost

if TYPE_CHECKING:
    from zoo.export.model import Model

RESIZE = (
    "the centre square of the upright picture (EXIF orientation), resized by Pillow's antialiased bilinear filter in "
    "one step with cropping, JPEG files decoded at the smallest scale of at least twice the side; transparent pixels "
    "on white"
)
"""The rule of :func:`zoo.data.picture.decode_picture`, in words."""
LEVEL = 0.95
_SPLITS = (("test_accuracy", "test", "test_images"), ("accuracy", "validation", "validation_images"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card:
    """What is known of a model that is handed over.

    Attributes:
        model: with its weights.
        metrics: of these weights; what the model notes counts where they lack it.
        images: how many its accuracies were measured on, as ``validation_images`` and ``test_images``, where the model
            itself does not say it.
        run: name of the run it comes from.
        digest: of that run.
    """

    model: "Model"
    metrics: Metrics = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    run: str = ""
    digest: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """By name, JSON-ready; what is not known is left out."""
        model, cost = self.model, network_cost(self.model.genotype, self.model.skeleton)
        channels, side = model.shape
        known = {**model.notes, **self.metrics}
        facts = {
            "classes": list(model.classes),
            "input": {"shape": ["images", channels, side, side], "dtype": "float32", "range": [0, 1]},
            "colours": "RGB" if channels == 3 else "grey" if channels == 1 else f"{channels} channels",
            "normalisation": {"mean": list(model.mean), "std": list(model.std), "where": "inside the program"},
            "resize": RESIZE,
            "macs": int(known.get("macs", cost.macs)),
            "params": int(known.get("params", cost.params)),
        }
        named = {"accuracy": self.accuracy, "latency": known.get("latency"), "run": self.run, "digest": self.digest}
        return facts | {name: value for name, value in named.items() if value not in (None, "", {})}

    @property
    def accuracy(self) -> dict[str, Any]:
        """The accuracy on test images, or else on validation images, with Wilson's interval; nothing if unknown."""
        known, counts = {**self.model.notes, **self.metrics}, {**self.images, **self.model.notes}
        for name, split, count in _SPLITS:
            if isinstance(value := known.get(name), int | float):
                told = {"value": value, "split": split}
                images = counts.get(count)
                if not images:
                    return told
                low, high = wilson(value, images, LEVEL)
                return told | {"images": images, "low": low, "high": high, "level": LEVEL}
        return {}

    def metadata(self) -> dict[str, str]:
        """What a program says of itself: every fact as JSON, by its name."""
        return {name: json.dumps(value, ensure_ascii=False) for name, value in self.facts.items()}

    def rows(self) -> list[tuple[str, str]]:
        """The facts for people, name and text."""
        facts, (channels, side) = self.facts, self.model.shape
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.model.mean, self.model.std))
        inner = self.model.skeleton.resolution
        again = "" if inner == side else f"; inside the program once more, to {inner} pixels a side"
        rows = [
            ("accuracy", accuracy_sentence(facts.get("accuracy", {}))),
            ("cost", f"{facts['macs']:,} MACs per image, {facts['params']:,} parameters"),
            ("latency", f"{facts['latency']:.6g}, in the unit of its table" if "latency" in facts else ""),
            ("classes", f"{len(self.model.classes)}, in the order of the logits: {', '.join(self.model.classes)}"),
            ("input", f"float32 (images, {channels}, {side}, {side}), any number of images, pixels from 0 to 1, "
                      f"{facts['colours']}"),
            ("normalisation", f"inside the program: mean {mean}; standard deviation {std}"),
            ("resize", f"not inside the program: {RESIZE}{again}"),
            ("trained on", str(self.model.notes.get("data", ""))),
            ("run", self.run),
            ("digest", self.digest),
            ("warning", str(self.model.notes.get("warning", ""))),
        ]  # fmt: skip
        return [(name, text) for name, text in rows if text]


def accuracy_sentence(found: Mapping[str, Any]) -> str:
    """An accuracy of :attr:`Card.accuracy` in words."""
    if not found:
        return "not measured"
    chosen = found["split"] == "validation"
    images = f"{found['images']:,} {found['split']} images" if "images" in found else f"{found['split']} images"
    text = f"{percent(found['value'], 2)} on {images}"
    if "low" in found:
        level, low, high = percent(found["level"], 0), percent(found["low"], 2), percent(found["high"], 2)
        text += f", {level} interval {low} to {high} (Wilson)"
    return text + ("; networks were compared on these images, so expect less on others" if chosen else "")


def markdown_page(models: Sequence[tuple[Card, Mapping[str, str]]]) -> str:
    """The page MODEL.md of a delivery.

    Args:
        models: cards of its models, in the order of their numbers, with their files by format.
    """
    parts = ["# What is in this folder\n\nImage classifiers, trained and exported by thriftnas.\n"]
    for number, (card, named) in enumerate(models, start=1):
        rows = "".join(f"| {name} | {text.replace('|', chr(92) + '|')} |\n" for name, text in card.rows())
        listed = ", ".join(f"`{name}`" for name in named.values())
        parts.append(f"## Model {number}: {listed}\n\n| | |\n|---|---|\n{rows}")
    with_onnx = [named["onnx"] for _, named in models if "onnx" in named]
    if with_onnx:
        parts.append(
            "## How to use it\n\nWith onnxruntime, numpy and Pillow alone:\n\n"
            f"    python {SCRIPT} {with_onnx[0]} PHOTOS --top 3\n\n"
            "Programs of your own must resize by the same rule, or lose accuracy. Everything above is metadata of the\n"
            "ONNX file, too: `session.get_modelmeta().custom_metadata_map`, every value as JSON.\n"
        )
    return "\n".join(parts)
