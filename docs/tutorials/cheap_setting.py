# # Which cheap training may I trust?
#
# A search trains many networks, so it trains them cheaply: with fewer channels, smaller images or fewer epochs. This
# page measures whether such a [proxy](../concepts.md#proxy) ranks networks as a full training does. It uses the
# handwritten digits that come with scikit-learn, and takes seconds because everything is tiny. The answer of so small
# a study is worth little; the last paragraph says what to change.

import thriftnas

# [thriftnas.study][thriftnas.jobs.study] draws random networks. It trains each of them twice at the reference, for 3
# epochs, and once at each cheap setting. `c2r0s0e2` means: a quarter of the cost in channels, the same resolution,
# all samples, 2 epochs. A grid in braces names several settings at once.

sizes = {"channels": 4, "cells": 3, "resolution": 8, "train": 100, "validation": 100, "batch": 25}
study = thriftnas.study(
    "digits",
    "runs/study",
    models=5,
    setting="c{0,2}r0s0e2",
    reference="c0r0s0e3",
    scores="none",
    progress=False,
    **sizes,
)

# The folder `runs/study` holds everything that was measured. The report is computed from it.

report = study.report()
print(report.summary["sentence"])

# Every candidate is a setting with a [signal](../concepts.md#signal), which is the number by which it ranks.

ranked = report.tables["study"][["setting", "signal", "acceleration", "spearman", "spearman_low"]]
print(ranked[ranked["signal"].isin(["accuracy", "train_loss_late"])].to_string(index=False))

# Five networks are far too few: intervals are wide, and a recommendation would be luck. Raise `models` to 24 or 50
# and call the function again with the same folder. It trains what is missing and keeps the rest. `until="decided"`
# ends as soon as the answer is certain. For your own photos, give a folder of classes instead of `"digits"`
# ([recipe](../recipes/photos.md)). How far to trust the intervals is in [the
# results](../results.md#do-the-intervals-and-the-recommendation-hold).
