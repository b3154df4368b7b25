"""Published cells by name, so that counts and networks can be compared with the papers they come from."""

from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge

Pairs = list[tuple[str, int]]


def _cell(pairs: Pairs, concat: tuple[int, ...]) -> Cell:
    """Two edges a node, in the order the papers print them."""
    edges = [Edge(op, source) for op, source in pairs]
    return Cell(tuple(zip(edges[::2], edges[1::2], strict=True)), concat)


_ALL4 = tuple(range(INPUTS, INPUTS + 4))

DARTS_V1 = CellGenotype(
    _cell(
        [
            ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_3x3", 1),
            ("skip_connect", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 2),
        ],
        _ALL4,
    ),
    _cell(
        [
            ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 0),
            ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("avg_pool_3x3", 0),
        ],
        _ALL4,
    ),
)  # fmt: skip
"""First-order DARTS (Liu et al. 2019)."""

DARTS_V2 = CellGenotype(
    _cell(
        [
            ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
            ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
        ],
        _ALL4,
    ),
    _cell(
        [
            ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
            ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1),
        ],
        _ALL4,
    ),
)  # fmt: skip
"""Second-order DARTS (Liu et al. 2019, Figures 4 and 5)."""

PC_DARTS = CellGenotype(
    _cell(
        [
            ("sep_conv_3x3", 1), ("skip_connect", 0), ("sep_conv_3x3", 0), ("dil_conv_3x3", 1),
            ("sep_conv_5x5", 0), ("sep_conv_3x3", 1), ("avg_pool_3x3", 0), ("dil_conv_3x3", 1),
        ],
        _ALL4,
    ),
    _cell(
        [
            ("sep_conv_5x5", 1), ("max_pool_3x3", 0), ("sep_conv_5x5", 1), ("sep_conv_5x5", 2),
            ("sep_conv_3x3", 0), ("sep_conv_3x3", 3), ("sep_conv_3x3", 1), ("sep_conv_3x3", 2),
        ],
        _ALL4,
    ),
)  # fmt: skip
"""PC-DARTS on CIFAR-10 (Xu et al. 2020)."""

NASNET_A = CellGenotype(
    _cell(
        [
            ("sep_conv_5x5", 1), ("sep_conv_3x3", 0), ("sep_conv_5x5", 0), ("sep_conv_3x3", 0),
            ("avg_pool_3x3", 1), ("skip_connect", 0), ("avg_pool_3x3", 0), ("avg_pool_3x3", 0),
            ("sep_conv_3x3", 1), ("skip_connect", 1),
        ],
        (2, 3, 4, 5, 6),
    ),
    _cell(
        [
            ("sep_conv_5x5", 1), ("sep_conv_7x7", 0), ("max_pool_3x3", 1), ("sep_conv_7x7", 0),
            ("avg_pool_3x3", 1), ("sep_conv_5x5", 0), ("skip_connect", 3), ("avg_pool_3x3", 2),
            ("sep_conv_3x3", 2), ("max_pool_3x3", 1),
        ],
        (4, 5, 6),
    ),
)  # fmt: skip
"""NASNet-A (Zoph et al. 2018), intermediate nodes concatenated as in the DARTS evaluation."""

AMOEBANET_A = CellGenotype(
    _cell(
        [
            ("avg_pool_3x3", 0), ("max_pool_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_5x5", 2),
            ("sep_conv_3x3", 0), ("avg_pool_3x3", 3), ("sep_conv_3x3", 1), ("skip_connect", 1),
            ("skip_connect", 0), ("avg_pool_3x3", 1),
        ],
        (4, 5, 6),
    ),
    _cell(
        [
            ("avg_pool_3x3", 0), ("sep_conv_3x3", 1), ("max_pool_3x3", 0), ("sep_conv_7x7", 2),
            ("sep_conv_7x7", 0), ("avg_pool_3x3", 1), ("max_pool_3x3", 0), ("max_pool_3x3", 1),
            ("conv_1x7_7x1", 0), ("sep_conv_3x3", 5),
        ],
        (3, 4, 6),
    ),
)  # fmt: skip
"""AmoebaNet-A (Real et al. 2019), intermediate nodes concatenated as in the DARTS evaluation."""

PUBLISHED: dict[str, CellGenotype] = {
    "DARTS_V1": DARTS_V1,
    "DARTS_V2": DARTS_V2,
    "PC_DARTS": PC_DARTS,
    "NASNET_A": NASNET_A,
    "AMOEBANET_A": AMOEBANET_A,
}
