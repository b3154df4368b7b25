"""A share: what of a number of trials went well, with the interval it lies in."""


def wilson(share: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's (1927) interval of a share seen in so many trials; it holds the share itself, whatever is rounded."""
    from scipy.special import ndtri

    square = float(ndtri((1 + level) / 2)) ** 2 / trials
    middle = (share + square / 2) / (1 + square)
    reach = float(square * (share * (1 - share) + square / 4)) ** 0.5 / (1 + square)
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))
