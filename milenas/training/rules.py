"""Rules: the names of the update rules and what distinguishes them; no torch.

The losses, and the directions that the rules take, are in :mod:`milenas.training.updates`.
"""

from typing import Literal, get_args

Update = Literal["single", "darts1", "darts2", "milenas1", "milenas2"]
UPDATES: tuple[Update, ...] = get_args(Update)


def shares(update: Update, lam: float) -> tuple[float, float]:
    """How much of the training and of the validation loss a rule descends.

    The mixing parameter λ of MiLeNAS stands where the paper prints it: on the validation term in first order, on the
    training term in second order. So λ = 0 is single level in the one case and DARTS second order in the other.
    """
    return {
        "single": (1.0, 0.0),
        "darts1": (0.0, 1.0),
        "darts2": (0.0, 1.0),
        "milenas1": (1.0, lam),
        "milenas2": (lam, 1.0),
    }[update]


def second_order(update: Update) -> bool:
    """Whether a rule looks through w's next step by finite differences."""
    return update in ("darts2", "milenas2")


def weights_first(update: Update) -> bool:
    """Whether w steps before α and β, which then see the new w (MiLeNAS first order; DARTS has it the other way)."""
    return update in ("single", "milenas1")


def owners(update: Update, lam: float, split: int) -> int:
    """Whose batches a step asks for: 1: w's, 2: and α's, 3: and β's, where the images are split in 3."""
    _, validation = shares(update, lam)
    return split if validation else 1
