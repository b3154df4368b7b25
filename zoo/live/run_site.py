"""The site of one run: its report, made anew when its journal has grown, below a strip that says how far it is."""

import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from zoo.live.server import Answer, Query
from zoo.live.snapshot import Snapshots, facts_of
from zoo.pages.page import fragment, render_page

PATIENCE = 10.0
"""A report is made anew no sooner than this many times the seconds that it takes after the one before."""
SOONEST = 2.0
"""Seconds between two reports at least."""
DRAWING = threading.Lock()
"""Pages are made one at a time: the charts' library is not made for several threads."""


class RunSite:
    """What a browser sees of a run.

    Args:
        snapshots: of the run.
        index: where a page that lists it with others lies; empty: nowhere.
    """

    def __init__(self, snapshots: Snapshots, index: str = "") -> None:
        self._snapshots, self._index = snapshots, index
        self._looking = threading.Lock()
        self._page, self._version, self._next = "", "", 0.0

    def scripts(self) -> list[str]:
        """The script that keeps the page up to date."""
        return [live_script()]

    def answer(self, path: str, query: Query) -> Answer | None:
        """The page, its report alone, or the state as JSON-ready facts."""
        match path.strip("/"):
            case "":
                return Answer(self._whole())
            case "report":
                return Answer(self._report())
            case _:
                return None

    def events(self, path: str) -> Iterator[tuple[str, Any]] | None:
        """The state whenever it changes, and the version of the report where there is a newer one."""
        return self._happening() if path.strip("/") == "events" else None

    def _happening(self) -> Iterator[tuple[str, Any]]:
        while True:
            found = self._look()
            yield "state", {"state": found["state"], "share": found["share"], "facts": list(facts_of(found))}
            if time.monotonic() >= self._next or found["state"] != "running":
                yield "report", found["version"]

    def _look(self) -> Any:
        with self._looking:
            return self._snapshots.look()

    def _report(self) -> str:
        """The report as it is, or a page that says why there is none yet."""
        with DRAWING:
            version, began = self._look()["version"], time.monotonic()
            if version != self._version and (began >= self._next or not self._page):
                self._page, self._version = self._made(), version
                ended = time.monotonic()
                self._next = ended + max(SOONEST, PATIENCE * (ended - began))
            return self._page

    def _made(self) -> str:
        run = self._snapshots.run
        try:
            page = run.report().page
        except ValueError as error:
            page = ""
            why = str(error)
        else:
            why = f"a run of {run.kind} has no page"
        return page or render_page("zoo.live/waiting.html", {"kicker": f"{run.kind} in {run.folder}", "answer": why})

    def _whole(self) -> str:
        """The report with the strip above it and the script that keeps both up to date."""
        found = self._look()
        contents = {"found": found, "facts": list(facts_of(found)), "index": self._index}
        strip = fragment("zoo.live/live.html", contents)
        again = '<noscript><meta http-equiv="refresh" content="10"></noscript></head>'
        page = self._report().replace("</head>", again, 1).replace("<body>", f"<body>\n{strip}", 1)
        head, _, tail = page.rpartition("</body>")
        return f"{head}<script>{live_script()}</script>\n</body>{tail}"


def live_script() -> Markup:
    """The script of a page that is kept up to date."""
    return Markup(files("zoo.live").joinpath("live.js").read_text(encoding="utf-8"))
