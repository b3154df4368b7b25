"""Genotypes by public name, or out of a JSON file."""

from pathlib import Path

from zoo.spaces.chain_space import PUBLISHED_CHAINS, require_chain
from zoo.spaces.genotype import CellGenotype, ChainGenotype, genotype_from_json, require_cells
from zoo.spaces.literature import PUBLISHED


def read_genotype(source: str) -> CellGenotype | ChainGenotype:
    """A genotype of cells or of a chain by public name or from a JSON file.

    Raises:
        ValueError: if it is neither, or the file holds no genotype; names the source.
    """
    public: dict[str, CellGenotype | ChainGenotype] = {**PUBLISHED, **PUBLISHED_CHAINS}
    if source in public:
        return public[source]
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{source!r} is neither a file nor a public name ({', '.join(public)})")
    try:
        genotype = genotype_from_json(path.read_text(encoding="utf-8"))
        return require_chain(genotype) if isinstance(genotype, ChainGenotype) else require_cells(genotype)
    except UnicodeDecodeError:
        raise ValueError(f"{source}: a genotype must be JSON, got a binary file") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
