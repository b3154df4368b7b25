"""The small original setting that studies and zoos train at unless told otherwise: it fits a laptop; ours.

Nothing is imported here: help texts show these numbers.
"""

CHANNELS, CELLS, BATCH = 8, 5, 32
REFERENCE = "c0r0s0e12"
"""The setting whose ranking a study believes, and at which a zoo is trained."""

GRID = "c{0,2,4}r{0,2,4}s{0,1}e{3,6}"
"""The reduced settings of a study."""
