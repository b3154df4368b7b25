"""CSV files with numbers as they are written, whichever pandas reads them."""

import warnings
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
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows of more cells than there are columns
            found: pd.DataFrame = pd.read_csv(path, dtype=dict(dtype or {}), index_col=False, **exactly)
    except pd.errors.ParserWarning:
        raise ValueError(f"{path} has rows of more cells than its header") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a CSV table: {' '.join(str(error).split())}") from None
    return found


def numbers_in(cells: "pd.DataFrame") -> "pd.DataFrame":
    """The cells as numbers: NaN for what is none, infinity for what is beyond float64."""
    import pandas as pd

    try:
        found: pd.DataFrame = cells.apply(pd.to_numeric, errors="coerce")
    except OverflowError:  # of a whole number; a decimal one is infinite by itself
        found = cells.astype(str).apply(pd.to_numeric, errors="coerce")
    return found
