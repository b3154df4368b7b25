"""Columns: which of a published table hold the accuracies of which training."""

import re
from collections.abc import Mapping

ROLES = ("cheap", "full")
_PART = re.compile(r"(\w+)=([^@=,]+)@([0-9]+)")

Columns = Mapping[int, tuple[str, ...]]
"""By epochs of a training its columns: one, or one for each of several seeds."""


def parse_columns(text: str) -> dict[int, tuple[str, ...]]:
    """Read ``cheap=NAME@EPOCHS,full=NAME@EPOCHS``; ``NAME|NAME`` are the same training with other seeds.

    A table of one training has no cheap one.

    Raises:
        ValueError: for another form, no full training, or a cheap one that is not shorter.
    """
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or match[1] not in ROLES or match[1] in found:
            raise ValueError(f"expected columns like cheap=NAME@12,full=NAME@200, got {text!r}")
        names = tuple(name.strip() for name in match[2].split("|"))
        if not all(names) or len(set(names)) < len(names) or int(match[3]) < 1:
            raise ValueError(f"expected different columns and at least one epoch, got {part.strip()!r}")
        found[match[1]] = (int(match[3]), names)
    if "full" not in found:
        raise ValueError(f"expected a column of the full training, such as full=NAME@200, got {text!r}")
    if "cheap" in found and found["cheap"][0] >= found["full"][0]:
        raise ValueError(f"the cheap training must be shorter than the full one, got {text!r}")
    return dict(found[role] for role in ROLES if role in found)
