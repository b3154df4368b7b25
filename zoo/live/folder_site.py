"""The site of a folder of runs: a list of them, the page of each, and some of them compared."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.experiments.overview import runs_below
from zoo.experiments.run import Run
from zoo.live.compared import MOST, comparison_page
from zoo.live.run_site import DRAWING, RunSite, live_script
from zoo.live.server import Answer, Query
from zoo.live.snapshot import run_at
from zoo.pages.page import Tile, render_page


class FolderSite:
    """What a browser sees of a folder; runs are found again whenever the list is asked for, and keep their numbers.

    Args:
        folder: that holds runs.

    Raises:
        ValueError: if there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._sites = folder, dict[int, RunSite]()
        self._numbers: dict[str, int] = {}
        self._opening = threading.Lock()
        self._list()

    def scripts(self) -> list[str]:
        """The script of the runs' pages."""
        return [live_script()]

    def answer(self, path: str, query: Query) -> Answer | None:
        """The list, a comparison, or what lies at a run's path.

        Raises:
            ValueError: for runs that cannot be compared.
        """
        if path == "/":
            return Answer(self._index())
        if path == "/compare":
            return Answer(self._compared(query))
        found = self._below(path)
        return None if found is None else found[0].answer(found[1], query)

    def events(self, path: str) -> Iterator[tuple[str, Any]] | None:
        """What happens to a run."""
        found = self._below(path)
        return None if found is None else found[0].events(found[1])

    def _below(self, path: str) -> tuple[RunSite, str] | None:
        """The run of a path like /run/3/report, and the rest of the path."""
        words = path.split("/", 3)
        if len(words) != 4 or words[1] != "run" or not words[2].isdecimal():
            return None
        with self._opening:
            number = int(words[2])
            name = next((name for name, one in self._numbers.items() if one == number), None)
            if name is None:
                return None
            if number not in self._sites:
                self._sites[number] = RunSite(run_at(Path(name)), index="../../")
            return self._sites[number], f"/{words[3]}"

    def _list(self) -> dict[str, dict[str, Any]]:
        found = runs_below(self._folder)
        with self._opening:
            for name in found:
                self._numbers.setdefault(name, len(self._numbers))
        return found

    def _index(self) -> str:
        found = self._list()
        running = sum(one.get("state") == "running" for one in found.values())
        count = "1 run" if len(found) == 1 else f"{len(found)} runs"
        states = ("running", "finished", "stopped", "interrupted")
        return render_page(
            "zoo.live/runs.html",
            {
                "kicker": f"Runs below {self._folder}",
                "answer": f"{count}, {running} of them running." if found else "There are no runs here yet.",
                "tiles": [
                    Tile(state.capitalize(), str(sum(one.get("state") == state for one in found.values())))
                    for state in states
                ],
                "rows": [(self._numbers[name], name, one) for name, one in found.items()],
                "most": MOST,
            },
        )

    def _compared(self, query: Query) -> str:
        wanted = {word for word in query.get("run", []) if word.isdecimal()}
        with self._opening:
            names = [name for name, number in self._numbers.items() if str(number) in wanted]
        with DRAWING:
            return comparison_page({name: Run.open(name) for name in names})
