"""The dry run's process: all groups, one after the other. Importing torch takes longer than most of them, so tiny."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from benchmarks._gpu.lines import Check, Numbers, main
from benchmarks._gpu.place import Place
from benchmarks.gpu import GROUPS


def every(arguments: Sequence[str] | None = None) -> int:
    """The groups of ``--groups`` in this order, the other options being a group's; 1 if a check is not ok."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, nargs="+", required=True)
    args, options = parser.parse_known_args(arguments)
    known = {group.number: group.module for group in GROUPS}
    codes = [main(_checks(known[number]), [*options, "--group", str(number)]) for number in args.groups]
    return max(codes)


def _checks(module: str) -> Sequence[Check]:
    """The checks of a group, or one that says why it has none."""
    try:
        found: Sequence[Check] = import_module(module).CHECKS
    except Exception as error:  # of a stranger's package
        return [("imports", partial(_raised, error=error))]
    return found


def _raised(_: Place, *, error: Exception) -> Numbers:
    raise error


if __name__ == "__main__":
    sys.exit(every())
