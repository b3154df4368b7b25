"""A blueprint: all that builds a network and nothing that it has learned; what an exported model-NN.json holds."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.spaces.genotype import ChainGenotype, Genotype, genotype_from_dict, parsed
from zoo.spaces.skeleton import Skeleton

SCHEMA, KIND = 1, "network"
_OF_CHAINS = ("channels", "resolution", "in_channels", "classes")
"""What of a skeleton builds a chain; its layers are the space's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A genotype with what surrounds it, as far as is known.

    Attributes:
        genotype: of the network.
        skeleton: around it; None where only the genotype is known.
        classes: names, in the order of the logits; empty where they are not known.
        mean: per channel, of the pixels in [0, 1] it was measured on; empty where it is not known.
        std: as ``mean``.

    Raises:
        ValueError: for names or statistics that do not fit the skeleton.
    """

    genotype: Genotype
    skeleton: Skeleton | None = None
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.skeleton is None:
            if self.classes or self.mean or self.std:
                raise ValueError("class names and statistics need a skeleton that they belong to")
            return
        for name, values, wanted in (
            ("class names", self.classes, self.skeleton.classes),
            ("means", self.mean, self.skeleton.in_channels),
            ("standard deviations", self.std, self.skeleton.in_channels),
        ):
            if values and len(values) != wanted:
                raise ValueError(f"expected {wanted} {name}, got {len(values)}")

    def to_dict(self) -> dict[str, Any]:
        """The blueprint as JSON-ready data; where only the genotype is known, the genotype's own form."""
        if self.skeleton is None:
            return self.genotype.to_dict()
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "genotype": self.genotype.to_dict(),
            "skeleton": dataclasses.asdict(self.skeleton),
            "classes": list(self.classes),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def to_json(self) -> str:
        """The blueprint as one line of JSON; :func:`blueprint_from_json` reads it back."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def differences(self, other: "Blueprint") -> list[str]:
        """How another network is not this one, as far as both are known: "channels 36, expected 8"."""
        if self.genotype.key != other.genotype.key:
            return ["another genotype"]
        if self.skeleton is None or other.skeleton is None:
            return []
        chain = isinstance(self.genotype, ChainGenotype)
        names = _OF_CHAINS if chain else tuple(field.name for field in dataclasses.fields(Skeleton))
        pairs = [(name, getattr(other.skeleton, name), getattr(self.skeleton, name)) for name in names]
        found = [f"{name} {got}, expected {wanted}" for name, got, wanted in pairs if got != wanted]
        if self.classes and other.classes and self.classes != other.classes:
            found.append(f"the classes {_listed(other.classes)}, expected {_listed(self.classes)}")
        return found


def blueprint_from_dict(data: Any) -> Blueprint:
    """Read :meth:`Blueprint.to_dict`'s form, or that of a genotype.

    Raises:
        ValueError: naming what is wrong.
    """
    if not (isinstance(data, Mapping) and data.get("kind") == KIND):
        return Blueprint(genotype=genotype_from_dict(data))
    wanted = {"schema", "kind", "genotype", "skeleton", "classes", "mean", "std"}
    if data.get("schema") != SCHEMA or set(data) != wanted:
        raise ValueError(f"a network of schema {SCHEMA} has fields {', '.join(sorted(wanted))}; got {', '.join(data)}")
    try:
        skeleton = Skeleton(**data["skeleton"])
        classes = tuple(str(name) for name in data["classes"])
        mean, std = (tuple(float(value) for value in data[name]) for name in ("mean", "std"))
    except (OverflowError, TypeError) as error:
        raise ValueError(f"the skeleton, class names or statistics of the network cannot be read: {error}") from None
    return Blueprint(
        genotype=genotype_from_dict(data["genotype"]), skeleton=skeleton, classes=classes, mean=mean, std=std
    )


def blueprint_from_json(text: str) -> Blueprint:
    """Read a blueprint or a genotype from JSON text.

    Raises:
        ValueError: if the text is not JSON, or as :func:`blueprint_from_dict`.
    """
    return blueprint_from_dict(parsed(text))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
