"""A published table as the source of a run: networks are looked up in it instead of being trained."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from zoo.experiments.experiment import Experiment
    from zoo.experiments.source import Loading
    from zoo.population.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSource:
    """A table of NAS-Bench-201 or NAS-Bench-Macro, and measured latencies where there are any.

    Attributes:
        table: path of a CSV file, which may be compressed.
        latency: path of a CSV file with columns layer, choice, latency; None: there is none.
    """

    kind: ClassVar[str] = "table"

    table: str
    latency: str | None = None

    def load(self, experiment: "Experiment", loading: "Loading") -> "Table":
        """Read the table.

        Raises:
            ValueError: as :func:`zoo.population.table.read_table`.
            OSError: if it cannot be read.
        """
        from zoo.population.table import read_table

        return read_table(Path(self.table))

    def to_dict(self) -> dict[str, Any]:
        """The source with absolute paths."""
        paths = {name: None if path is None else _absolute(path) for name, path in asdict(self).items()}
        return {"kind": self.kind, **paths}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read :meth:`to_dict`'s form."""
        return cls(table=data["table"], latency=data.get("latency"))


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())
