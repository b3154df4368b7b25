"""Genotypes by public name, or out of a JSON file, which may say what surrounds them."""

from pathlib import Path

from zoo.spaces.blueprint import Blueprint, blueprint_from_json
from zoo.spaces.chain_space import PUBLISHED_CHAINS, require_chain
from zoo.spaces.foreign import foreign_cells, foreign_text, is_foreign
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype, parsed, require_cells
from zoo.spaces.literature import PUBLISHED


def read_genotype(source: str) -> CellGenotype | ChainGenotype:
    """A genotype of cells or of a chain by public name or from a JSON file.

    Raises:
        ValueError: if it is neither, or the file holds no genotype; names the source.
    """
    return _plain(read_blueprint(source).genotype)


def read_blueprint(source: str) -> Blueprint:
    """A genotype of cells or of a chain as :func:`read_genotype`, with what the file says of the network around it.

    Cells as DARTS, NASLib or NNI write them are read too (:mod:`zoo.spaces.foreign`).

    Raises:
        ValueError: as :func:`read_genotype`.
    """
    public: dict[str, CellGenotype | ChainGenotype] = {**PUBLISHED, **PUBLISHED_CHAINS}
    if source in public:
        return Blueprint(genotype=public[source])
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{source!r} is neither a file nor a public name ({', '.join(public)})")
    try:
        text = path.read_text(encoding="utf-8")
        if (cells := foreign_text(text)) is not None:
            return Blueprint(genotype=cells)
        if is_foreign(data := parsed(text)):
            return Blueprint(genotype=foreign_cells(data))
        found = blueprint_from_json(text)
        _plain(found.genotype)
        return found
    except UnicodeDecodeError:
        raise ValueError(f"{source}: a genotype must be JSON, got a binary file") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def _plain(genotype: Genotype) -> CellGenotype | ChainGenotype:
    return require_chain(genotype) if isinstance(genotype, ChainGenotype) else require_cells(genotype)
