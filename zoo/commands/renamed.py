"""Options that had another name in the release before, and one whose value may be left out: arguments made whole."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

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
    return _completed(found) if found[:2] == ["run", "export"] else found


def _completed(arguments: Sequence[str]) -> list[str]:
    """With an empty value for a --best that none follows: the option's metric may be left out."""
    after = [*arguments[1:], "-"]
    return [
        "--best=" if word == "--best" and (not re.fullmatch(r"\w+", next_) or Path(next_).is_dir()) else word
        for word, next_ in zip(arguments, after, strict=True)
    ]
