# # Cells by gradient descent
#
# A differentiable search trains one network that holds all operations at once, and lets gradients choose. It is a
# single training instead of many; what it is compared with is in [the
# results](../results.md#mixed-level-or-bilevel-fixed-or-stretchable-cells).

import thriftnas

# [thriftnas.darts][thriftnas.searches.darts] with MiLeNAS's rule, on two operations and small cells, for two epochs.

sizes = {"resolution": 8, "train": 120, "validation": 120}
search = thriftnas.darts(
    "digits",
    "runs/cells",
    update="milenas1",
    operations="skip_connect,sep_conv_3x3",
    nodes=5,
    cells=3,
    channels=4,
    epochs=2,
    batch=16,
    progress=False,
    **sizes,
)
report = search.report()
print(report.tables["epochs"].to_string(index=False, max_cols=6))

# Every epoch has derived cells; the best of every size is kept. The last are in `genotype.json`, and
# [thriftnas.train][thriftnas.jobs.train] trains them from scratch. Papers take 600 epochs at 36 channels and 20
# cells.

report.write(search.folder)
final = thriftnas.train(
    search.folder / "genotype.json",
    "digits",
    "runs/final",
    epochs=4,
    channels=4,
    cells=3,
    batch=16,
    progress=False,
    **sizes,
)
print(f"test accuracy {final.model().notes['test_accuracy']:.2f}, read once")

# After two epochs of search and four of training this is far from a useful network. `topology="stretchable"` also
# learns which nodes are connected ([stretchable cells](../methods/stretchable.md)).
