"""What a search cost: trainings, epochs and seconds by purpose, and how long its workers were idle. No torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from econas.history.history import History
from econas.history.trajectory import AUDIT, CHILD, PROMOTION, RENEWAL, RETRAIN
from zoo.population.trial import ALONE

PURPOSES = {
    CHILD: "children",
    PROMOTION: "promotions",
    RENEWAL: "renewals",
    AUDIT: "audits",
    RETRAIN: "retraining",
    ALONE: "comparison",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one purpose cost.

    Attributes:
        name: of the purpose.
        trainings: trials that ended.
        failed: those of them that failed.
        epochs: paid, of whatever setting.
        price: the same in epochs of the search's first setting, which is what its budget counts.
        share: of the price of everything.
        seconds: in workers, summed over them.
    """

    name: str
    trainings: int
    failed: int
    epochs: float
    price: float
    share: float
    seconds: float

    @classmethod
    def sum(cls, parts: Iterable["Cost"]) -> "Cost":
        """Everything together."""
        parts = list(parts)
        return cls(
            "in all",
            sum(one.trainings for one in parts),
            sum(one.failed for one in parts),
            *(math.fsum(getattr(one, name) for one in parts) for name in ("epochs", "price", "share", "seconds")),
        )


def costs(history: History) -> list[Cost]:
    """By purpose, those that occurred; shares sum to 1 where anything was paid."""
    found = []
    for role, name in PURPOSES.items():
        ended = [one for one in history.of_role(role) if one.state != "pending"]
        if ended:
            price = math.fsum(one.cost for one in ended)
            found.append(
                Cost(
                    name=name,
                    trainings=len(ended),
                    failed=sum(one.state == "failed" for one in ended),
                    epochs=math.fsum(one.epochs for one in ended),
                    price=price,
                    share=price / history.spent if history.spent else 0.0,
                    seconds=math.fsum(one.seconds for one in ended),
                )
            )
    return found


def idle_share(history: History) -> float:
    """Share of the workers' time without work, over all sessions; NaN where nothing is known of them, or trained."""
    if history.terms.looked_up:
        return math.nan
    whole = math.fsum(one.workers * one.wall for one in history.sessions)
    return math.fsum(one.idle for one in history.sessions) / whole if whole else math.nan
