"""Presets: the sizes of a run by one word, as the options of its command that the word stands for."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

TINY, SMALL, PAPER = "tiny", "small", "paper"
OPTION = "--preset"
PRESETS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("zoo", "study"): {
        TINY: "--models 8 --setting c{0,4}r{0,4}s0e3 --reference c0r0s0e6 --channels 4",
        SMALL: "",
        PAPER: "--models 50 --channels 36 --cells 20 --batch 96 --reference c0r0s0e600 "
        "--setting c{0,1,2,3,4}r{0,1,2,3,4}s{0,1}e{30,60,90,120}",
    },
    ("zoo", "build"): {
        TINY: "--models 4 --setting c0r0s0e6 --channels 4",
        SMALL: "",
        PAPER: "--models 50 --channels 36 --cells 20 --batch 96 --setting c0r0s0e600",
    },
    ("zoo", "train"): {TINY: "--epochs 6", SMALL: "--epochs 60", PAPER: ""},
    ("econas", "search"): {
        TINY: "--channels 8 --cells 5 --batch 32 --setting c1r0s0e3 --start 12 --parents 6,4,2 --promotions 4,2 "
        "--budget 150 --reference c0r0s0e12 --finalists 2 --final-batch 32",
        SMALL: "--channels 16 --cells 8 --batch 64 --setting c2r2s0e12 --budget 1500 --reference c0r0s0e60 "
        "--finalists 3",
        PAPER: "",
    },
    ("scarlet", "train"): {TINY: "--channels 8 --epochs 6", SMALL: "--channels 16 --epochs 30", PAPER: ""},
    ("scarlet", "search"): {
        TINY: "--population 12 --generations 3",
        SMALL: "--population 30 --generations 10",
        PAPER: "",
    },
    ("darts", "search"): {
        TINY: "--channels 4 --cells 5 --epochs 5",
        SMALL: "--channels 8 --cells 5 --epochs 25",
        PAPER: "",
    },
}
"""By command and name; what is empty are the command's own defaults."""

MEANINGLESS = {("econas", "search"): "--table"}
"""By command, an option beside which nothing is trained: a preset is no options then, and the command refuses it."""


def with_preset(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options of the preset among them, before all others, so that any other changes them.

    Raises:
        ValueError: for a preset that the command does not have.
    """
    found = PRESETS.get(tuple(arguments[:2]), {})  # type: ignore[arg-type]  # two words or fewer
    joined = [word.partition("=")[2] for word in arguments if word.startswith(f"{OPTION}=")]
    apart = [after for word, after in pairwise(arguments) if word == OPTION]
    names = joined + apart
    beside = MEANINGLESS.get(tuple(arguments[:2]))  # type: ignore[arg-type]
    if not names or not found or any(word.partition("=")[0] == beside for word in arguments):
        return list(arguments)
    if names[-1] not in found:
        raise ValueError(f"unknown preset {names[-1]!r}, expected one of {', '.join(found)}")
    return [*arguments[:2], *found[names[-1]].split(), *arguments[2:]]
