"""The picture of the first page: the first chart of a study's report, as a file.

``python docs/making/picture.py runs/demo docs/demo.svg`` after ``make demo``.
"""

import re
import sys
from pathlib import Path

from zoo.experiments.run import Run


def picture(run: Path) -> str:
    """The first chart of a run's page."""
    found = re.search(r"<svg.*?</svg>", Run.open(run).report().page, re.DOTALL)
    if found is None:
        raise ValueError(f"the page of {run} has no picture")
    return found[0]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture(Path(sys.argv[1])), encoding="utf-8")
