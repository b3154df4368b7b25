"""Added data sets: an installed package offers one by name, for ``--data`` and :func:`zoo.data.load`.

The entry point is one of the group ``thriftnas.data``. Its name is that of the data set, and its object is a function
without arguments that reads the images: it gives :class:`zoo.data.Arrays`, or a :class:`zoo.data.pool.Pool` where the
images shall be read only once it is known which.
"""

from collections.abc import Collection

from zoo.data.held import Arrays, pool_of
from zoo.data.pool import Pool
from zoo.plugins import names, plugin

DATA_SETS = "thriftnas.data"


def added_names() -> list[str]:
    """The names of the data sets that installed packages add."""
    return names(DATA_SETS)


def added_pool(name: str, taken: Collection[str]) -> Pool | None:
    """The images of an added data set; None if no installed package adds one of this name.

    Args:
        name: of the data set.
        taken: names that no package may add.

    Raises:
        ValueError: for a name that is taken or added twice, or a data set that cannot be loaded or used.
    """
    added = plugin(DATA_SETS, name, "data set")
    if added is None:
        return None
    if name in taken:
        raise ValueError(f"{added.title} has the name of a data set that is here already, expected another name")
    found = added.call()
    if isinstance(found, Pool):
        return found
    if not isinstance(found, Arrays):
        raise ValueError(f"{added.title} must give Arrays or a Pool, got {type(found).__name__}")
    try:
        return pool_of(found)
    except ValueError as error:
        raise ValueError(f"{added.title}: {error}") from None
