"""CSV files with numbers as they are written, whichever pandas reads them."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def read_csv(path: Path, dtype: Mapping[str, type] | None = None) -> "pd.DataFrame":
    """Read a file, which may be compressed; equal files give equal numbers, to the last bit.

    Raises:
        ValueError: if it is no CSV table; the message is one line.
        OSError: if it cannot be read.
    """
    import pandas as pd  # here: half a second that searches without a table need not pay

    # Before pandas 3 the last bit of a number may be wrong unless one asks; from then on, asking is deprecated.
    exactly: dict[str, Any] = {"float_precision": "round_trip"} if int(pd.__version__.partition(".")[0]) < 3 else {}
    try:
        found: pd.DataFrame = pd.read_csv(path, dtype=dict(dtype or {}), **exactly)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a CSV table: {' '.join(str(error).split())}") from None
    return found
