"""The source of a run on a published table: where its CSV lies, and a table of latencies beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoo.experiments.source import Loading
from zoo.population.table import Table, read_table

if TYPE_CHECKING:
    from zoo.experiments.experiment import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSource:
    """A published table, and latencies for searches that use them.

    Attributes:
        table: path of the CSV.
        columns: with its accuracies; None: the usual ones.
        latency: path of a CSV of latencies.
    """

    kind: ClassVar[str] = "table"

    table: Path
    columns: str | None = None
    latency: Path | None = None

    def load(self, experiment: "Experiment", loading: Loading) -> Table:
        """Read the table.

        Raises:
            ValueError: as :func:`zoo.population.table.read_table`.
            OSError: if the file cannot be read.
        """
        return read_table(self.table, self.columns)

    def to_dict(self) -> dict[str, Any]:
        """The source with absolute paths."""
        latency = None if self.latency is None else _absolute(self.latency)
        named = {} if self.columns is None else {"columns": self.columns}
        return {"kind": self.kind, "table": _absolute(self.table), **named, "latency": latency}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read :meth:`to_dict`'s form.

        Raises:
            ValueError: for another kind of source.
        """
        if data.get("kind") != cls.kind:
            raise ValueError(f"expected a source that is a table, got {data.get('kind')!r}")
        latency = data.get("latency")
        columns = data.get("columns")
        return cls(table=Path(data["table"]), columns=columns, latency=None if latency is None else Path(latency))


def _absolute(path: Path) -> str:
    return os.path.abspath(path.expanduser())
