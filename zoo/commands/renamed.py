"""Options that had another name in the release before: accepted for one more release, with a notice."""

import sys
from collections.abc import Mapping, Sequence

RENAMED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("zoo", "study"): {"--settings": "--setting"},
    ("zoo", "sample"): {"--count": "--models"},
    ("run", "export"): {"--count": "--models"},
    ("econas", "search"): {"--final": "--reference", "--cycles": "--generations"},
    ("scarlet", "search"): {"--evaluations": "--budget", "--recalibration": "--recalibrate"},
    ("darts", "search"): {
        "--layers": "--cells",
        "--final-layers": "--final-cells",
        "--retrain": "--finalists",
        "--retrain-epochs": "--final-epochs",
    },
}
"""By command: the old name and the new one."""


def renamed(arguments: Sequence[str]) -> list[str]:
    """The arguments with today's names; a line on standard error for each that had an old one."""
    names = RENAMED.get(tuple(arguments[:2]), {})  # type: ignore[arg-type]  # two words or fewer
    found = []
    for word in arguments:
        name, equals, value = word.partition("=")
        if name in names:
            print(f"{name} is called {names[name]} now; the old name goes with the next release", file=sys.stderr)
            word = names[name] + equals + value
        found.append(word)
    return found
