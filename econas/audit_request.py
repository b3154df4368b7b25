"""The request for audits: how many, by which rules; which cycles and settings they mean is known with the images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from econas.strategy.audit import MODES, Auditing, Step
from econas.strategy.parameters import Parameters
from zoo.experiments.resources import Say

AuditMode = Literal["auto", "off", "warn", "escalate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """Audits that a search shall hold, evenly spread over its planned cycles.

    Attributes:
        mode: warn or escalate; auto: warn where the search can afford it; off: none.
        count: audits.
        networks: audited at a time, at most.
        limit: correlation that the lower bound must reach.
        share: of the search's budget that all audits together may take.

    Raises:
        ValueError: for a mode that does not exist.
    """

    mode: AuditMode = "auto"
    count: int = 2
    networks: int = 16
    limit: float = 0.0
    share: float = 0.1

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "off", *MODES):
            raise ValueError(f"expected --audit auto|off|warn|escalate, got {self.mode!r}")

    @property
    def by_name(self) -> bool:
        """Whether they are wanted in any case."""
        return self.mode in MODES

    def added(self, numbers: Parameters, ladder: Sequence[Step], say: Say) -> Parameters:
        """The parameters with these audits; without them where the mode is "auto" and they cannot be had.

        Args:
            numbers: without audits, their prices known.
            ladder: dearer settings.
            say: hears why there are none.

        Raises:
            ValueError: where audits that were asked for by name cannot be had.
        """
        if self.mode == "off":
            return numbers
        planned = numbers.planned_cycles
        cycles = tuple(sorted({max(1, planned * (i + 1) // (self.count + 1)) for i in range(self.count)}))
        try:
            if not ladder:
                raise ValueError(f"no setting here is dearer than {numbers.setting}, so it cannot be audited")
            auditing = Auditing(
                mode="escalate" if self.mode == "escalate" else "warn",
                cycles=cycles,
                ladder=tuple(ladder),
                networks=self.networks,
                limit=self.limit,
                share=self.share,
            )
            return replace(numbers, audit=auditing)
        except ValueError as error:
            if self.by_name:
                raise
            say(f"no audits: {error}")
            return numbers
