# # A front out of one supernet
#
# SCARLET trains one [supernet](../concepts.md#supernet), and measures thousands of networks with its weights. The
# result is a [front](../concepts.md#front): networks that no other beats in quality and cost.

from pathlib import Path

import thriftnas

# The space `nas-bench-macro` has eight layers with three choices each.
# [thriftnas.supernet][thriftnas.searches.supernet] trains all of them together.

sizes = {"resolution": 8, "train": 300, "validation": 100}
supernet = thriftnas.supernet(
    "digits", "runs/supernet", space="nas-bench-macro", epochs=4, channels=4, batch=20, progress=False, **sizes
)
print(supernet)

# [thriftnas.front][thriftnas.searches.front] searches in it. A limit on MACs costs no evaluation, because MACs are
# known before a network is measured. The validation loss ranks sub-networks better than their accuracy does.

search = thriftnas.front(
    supernet,
    "runs/front",
    minimize=("loss", "macs"),
    limit="macs<=5e6",
    population=6,
    generations=2,
    compare=0,
    progress=False,
)
front = search.front().frame()
print(front[front["front"]][["loss", "accuracy", "macs"]].to_string(index=False))

# What a network reaches on inherited weights is a [proxy](../concepts.md#proxy) like any other, which [may rank worse
# than counting MACs](../results.md#how-well-does-a-supernet-rank-networks): `audit=10` trains ten networks alone and
# says how well the supernet ranks them.
#
# The export writes networks along the front as files.

search.export("networks", models=1, formats=("json", "csv", "state"))
print(sorted(path.name for path in Path("networks").iterdir()))

# Train one of them alone with `thriftnas zoo train networks/model-01.json`.
