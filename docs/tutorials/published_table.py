# # NAS-Bench-201 without torch
#
# NAS-Bench-201 (Dong and Yang 2020) lists 15,625 cells with their accuracies after 12 and 200 epochs. A search on the
# table trains nothing and runs where torch is not installed. It takes seconds, and its regret is known.

import os
from pathlib import Path

import numpy as np
import pandas as pd

import thriftnas
from zoo.spaces.chain_space import NAS_BENCH_201

# The table is not part of thriftnas. [My own table](../recipes/table.md) says which columns it has. Where it is not
# at hand, this page makes up one of the same form, whose accuracies nobody has measured.

table = Path(os.environ.get("NAS_BENCH_201", "nas_bench_201_cifar10.csv.gz"))
if not table.exists():
    rng = np.random.default_rng(0)
    cells = np.array(list(np.ndindex(NAS_BENCH_201.options)))
    good = np.array([0.0, 0.8, 1.5, 2.0, 0.5])[cells].sum(axis=1)  # by operation
    made = {
        "arch_str": [NAS_BENCH_201.write(tuple(map(int, cell))) for cell in cells],
        "cifar10_ep12_valid_acc": 60 + 2 * good + rng.normal(size=len(cells)),
        "cifar10_ep200_test_acc": 80 + good + 0.3 * rng.normal(size=len(cells)),
        "flops_M": 10 + 15 * (cells == 3).sum(axis=1) + 2 * (cells == 2).sum(axis=1),
        "params_M": 0.1 + 0.1 * (cells == 3).sum(axis=1) + 0.02 * (cells == 2).sum(axis=1),
    }
    pd.DataFrame(made).round(3).to_csv(table, index=False)
    print("made up", len(cells), "rows")

# First: does the short training rank these cells as the long one does, and how far does counting MACs get?

answer = thriftnas.analyse(
    table, reference="cifar10_ep200_test_acc", proxies=["cifar10_ep12_valid_acc", "flops_M"], cost="flops_M"
)
print(answer.frame.iloc[:, :4].to_string(index=False))

# Now a search that pays for 1,500 epochs: 12 for a cheap training, 200 for a full one. It is the paper's, without a
# surrogate.

search = thriftnas.econas(table=table, folder="runs/table", budget=1500, surrogate="none", progress=False)
trial, record = search.best
best = pd.read_csv(table)["cifar10_ep200_test_acc"].max()
print(f"found {100 * record.metrics['accuracy']:.2f} %, the table's best is {best:.2f} %")

# [The results](../results.md#how-good-is-the-econas-search-on-a-published-table) have the regret over many seeds on
# the published table.
