"""A table of invented accuracies in the layout of NAS-Bench-Macro, the smallest, for it is read in every process."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.population.table import LAYOUTS
from zoo.purposes import FAULTS


def write_table(path: Path, seed: int) -> None:
    """Write the CSV."""
    layout, rng = LAYOUTS[1], np.random.default_rng((seed, FAULTS))
    cells = itertools.product(*(range(options) for options in layout.space.options))
    names = [layout.space.write(cell) for cell in cells]
    columns = {layout.architecture: names}
    columns |= {name: (100 * rng.random(len(names))).round(3).tolist() for name in layout.accuracy.values()}
    columns |= {name: rng.integers(1, 99, len(names)).tolist() for name, _ in layout.costs.values()}
    pd.DataFrame(columns).to_csv(path, index=False)
