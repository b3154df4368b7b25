"""What we claim about speed and search quality: one module per claim, ``python -m benchmarks NAME``."""
