"""Faults: what is a machine's and not a trial's, and the two ways in which a run stops before its strategy ends."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for what it imports every command would wait
    from zoo.population.trial import Record

EXIT_CODE = 75
"""Of a command whose machines failed, as sysexits.h has it: the same command may succeed later."""

ATTEMPTS = 3
"""How often a batch is sent before the run stops."""

MISSING_SHARE = 0.1
"""Of a run's trials; where more are missing a recommendation or a winner is withheld."""

_OF_MACHINES = re.compile(
    r"cuda error|cudnn|cublas|cusolver|cusparse|nvrtc|nccl|hip error|miopen|mps backend|device-side assert"
    r"|no kernel image|driver version|acceleratorerror|unspecified launch failure|ecc error|bus error",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b(?=:|$)")
_LOST = re.compile(r"the worker died \d+ times$")  # what versions before wrote


class MachineFault(RuntimeError):
    """Machines cannot do what is asked of them; says why in one line. Trials stay pending: they are sent again."""


class OutOfTime(Exception):
    """The time of a run and its grace are over; what is still running stays pending."""


def is_machine_fault(error: BaseException) -> bool:
    """Whether an exception of an evaluator speaks of its machine: another one, or a later moment, may do it.

    Lack of memory is not one of them: it says something about the network too, and evaluators record it.
    """
    text = f"{type(error).__name__}: {error}"
    if "out of memory" in text.lower():
        return False
    return isinstance(error, OSError | ImportError | MachineFault) or _OF_MACHINES.search(text) is not None


def too_many_missing(records: "Collection[Record]") -> str:
    """Why no verdict can be had from records, where more than :data:`MISSING_SHARE` of them are missing; else empty."""
    reasons = [record.reason for record in records if is_missing(record.ok, record.reason)]
    if len(reasons) <= MISSING_SHARE * len(records):
        return ""
    what = f"{len(reasons)} of {len(records)} trials are missing (the first: {reasons[0]})"
    return f"{what}; `thriftnas run retry` asks them again"


def raised(reason: str) -> str | None:
    """The name of the exception that a failed record's reason tells of; None where the evaluator had an answer."""
    found = _EXCEPTION.match(reason)
    return None if found is None else found[0]


def is_missing(ok: bool, reason: str) -> bool:
    """Whether a record says nothing about its network: something broke; it neither diverged nor lacked memory."""
    return not ok and (raised(reason) is not None or _LOST.search(reason) is not None)
