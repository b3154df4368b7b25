"""The option by which a search is given a surrogate, or none."""

from zoo.surrogates.surrogate import KINDS

NO_SURROGATE = "none"
SURROGATES = (NO_SURROGATE, *KINDS)
LEAST = 8
"""Networks without which a surrogate is no use."""


def check_surrogate(name: str, networks: float, budget: str) -> None:
    """Find out early whether a search can have this surrogate.

    Args:
        name: of the kind, or none.
        networks: how many the budget pays.
        budget: what pays them, like ``6 epochs``.

    Raises:
        ValueError: for an unknown name, or a surrogate and fewer networks than it can learn from.
    """
    if name not in SURROGATES:
        raise ValueError(f"the surrogate is one of {', '.join(SURROGATES)}, got {name!r}")
    if name != NO_SURROGATE and networks < LEAST:
        raise ValueError(
            f"a surrogate learns from {LEAST} networks at least, {budget} pay {int(networks)}; expected a "
            "larger budget or --surrogate none"
        )
