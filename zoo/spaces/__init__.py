"""What an architecture is: genotypes, the spaces they live in, and what they cost. No torch.

What this package offers is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.spaces.cell_space import CELL_SPACES, DARTS, ECONAS_SEARCH, ECONAS_ZOO, CellSpace, cell_space
    from zoo.spaces.cost import cost
    from zoo.spaces.genotype import Cell, CellGenotype, Edge, Genotype, genotype_from_dict, genotype_from_json
    from zoo.spaces.literature import PUBLISHED
    from zoo.spaces.operations import OPERATIONS, Cost, Operation
    from zoo.spaces.skeleton import Skeleton

__all__ = [
    "CELL_SPACES",
    "DARTS",
    "ECONAS_SEARCH",
    "ECONAS_ZOO",
    "OPERATIONS",
    "PUBLISHED",
    "Cell",
    "CellGenotype",
    "CellSpace",
    "Cost",
    "Edge",
    "Genotype",
    "Operation",
    "Skeleton",
    "cell_space",
    "cost",
    "genotype_from_dict",
    "genotype_from_json",
]

__getattr__ = lazily(
    __name__,
    {
        "CELL_SPACES": "cell_space",
        "Cell": "genotype",
        "CellGenotype": "genotype",
        "CellSpace": "cell_space",
        "Cost": "operations",
        "DARTS": "cell_space",
        "ECONAS_SEARCH": "cell_space",
        "ECONAS_ZOO": "cell_space",
        "Edge": "genotype",
        "Genotype": "genotype",
        "OPERATIONS": "operations",
        "Operation": "operations",
        "PUBLISHED": "literature",
        "Skeleton": "skeleton",
        "cell_space": "cell_space",
        "cost": "cost",
        "genotype_from_dict": "genotype",
        "genotype_from_json": "genotype",
    },
)
