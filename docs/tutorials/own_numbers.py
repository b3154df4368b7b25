# # Your own numbers
#
# You have trained networks yourself, with any framework, and have a table: a row per network, a column per
# measurement. [thriftnas.analyse][thriftnas.analysis.analyse] says which cheap column ranks networks as the expensive
# one does. It trains nothing.

import numpy as np
import pandas as pd

import thriftnas

# A made-up table of 60 networks. Two trainings of each are the reference; a short training and a score are
# candidates, and MACs are what everything is held against.

rng = np.random.default_rng(0)
quality, macs = rng.normal(size=60), rng.uniform(1e6, 5e6, 60)
table = pd.DataFrame(
    {
        "acc_1": 90 + quality + 0.3 * rng.normal(size=60),
        "acc_2": 90 + quality + 0.3 * rng.normal(size=60),
        "acc_12ep": 70 + 3 * quality + rng.normal(size=60),
        "zc_score": macs / 1e6 + rng.normal(size=60),
        "macs": macs,
    }
)
answer = thriftnas.analyse(
    table, reference=["acc_1", "acc_2"], proxies=["acc_12ep", "zc_*"], faster={"acc_12ep": 16.7}, cost="macs"
)
print(answer.sentence)

# `frame` has a row per candidate: how well it ranks, what it says beyond MACs, and what a short list by it would
# miss.

print(answer.frame.iloc[:, :6].to_string(index=False))

# The score follows MACs, so that it says nothing beyond them. `answer.write("runs/table")` keeps a page and the
# tables; on the command line it is [zoo analyse](../recipes/table.md).
