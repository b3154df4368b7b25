"""What an architecture is: genotypes, the spaces they live in, and what they cost. No torch."""

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
