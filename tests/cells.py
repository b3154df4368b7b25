"""Cells that tests of several packages read."""

from zoo.spaces import Cell, CellGenotype, Edge

_CELL = Cell(
    (
        (Edge("sep_conv_3x3", 0),),
        (Edge("skip_connect", 0), Edge("dil_conv_5x5", 1), Edge("max_pool_3x3", 2)),
        (Edge("sep_conv_5x5", 2), Edge("avg_pool_3x3", 3)),
    ),
    (2, 3, 4),
)
STRETCHED = CellGenotype(_CELL, _CELL)
"""Nodes with one, three and two inputs, as stretchable topologies leave them."""
