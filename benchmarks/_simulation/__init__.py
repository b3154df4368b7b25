"""A run under simulated faults: a disk that forgets, workers that come and go, a clock that jumps."""
