"""The report of a run: its answer, its tables and its page, made from the journal alone."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from zoo.files import write_bytes, write_text

if TYPE_CHECKING:
    import pandas as pd


def _nothing(console: Console) -> None:
    """Prints nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """What a run has found so far.

    Attributes:
        summary: the answer, JSON-ready.
        tables: by name.
        page: a self-contained HTML page.
        name: file name of the page.
        files: further files by name, tables among them, as they lie beside the journal; a name may hold a folder.
        show: prints the answer.
    """

    summary: Mapping[str, Any]
    tables: "Mapping[str, pd.DataFrame]" = field(default_factory=dict)
    page: str = ""
    name: str = "report.html"
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    show: Callable[[Console], None] = _nothing

    def write(self, folder: Path) -> None:
        """Write page and files, each whole or not at all; folders among them are replaced.

        Raises:
            OSError: if a file cannot be written.
        """
        for room in {name.partition("/")[0] for name in self.files if "/" in name}:
            shutil.rmtree(folder / room, ignore_errors=True)  # files of an earlier report may not be true any more
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content.encode("utf-8") if isinstance(content, str) else content)
        if self.page:
            write_text(folder / self.name, self.page)

    def show_written(self, console: Console, run: Path, folder: Path) -> None:
        """Print the answer of a run's report that was written into a folder: its page is there, not in the run."""
        with console.capture() as told:
            self.show(console)
        text = told.get().replace(str(run / self.name), str(folder / self.name))
        console.file.write(text)
        if self.page and str(folder / self.name) not in text:  # not every kind names its page itself
            console.print(f"Report: {folder / self.name}", markup=False, soft_wrap=True)

    def _repr_html_(self) -> str:
        """The page in a frame of its own: neither its style nor its script reaches the notebook."""
        if not self.page:
            return ""
        style = "width: 100%; height: 40rem; border: 1px solid #999999"
        return f'<iframe title="report" sandbox="allow-scripts" style="{style}" srcdoc="{escape(self.page)}"></iframe>'
