"""thriftnas: neural architecture search that costs little and says how far to trust the cheap measurement."""

__version__ = "0.1.0"
