# # A search, and its network in use
#
# EcoNAS's search on images in memory, its winner as a model, and the model's answers. The sizes are tiny, so that
# this page takes seconds; the search of a real run has hundreds of trainings.

import numpy as np
from sklearn.datasets import load_digits

import thriftnas

# Images are arrays `(N, H, W)` or `(N, H, W, C)` of bytes, with whole numbers as labels. A name, such as `"cifar10"`,
# or a folder of classes would do as well.

digits = load_digits()
images, labels = (digits.images * 15).astype(np.uint8)[..., None], digits.target

# [thriftnas.econas][thriftnas.searches.econas] trains children at the cheap setting in three stages, promotes the
# best, and trains the finalists at the reference.

search = thriftnas.econas(
    (images[:600], labels[:600]),
    "runs/search",
    setting="c0r0s0e3",
    reference="c0r0s0e4",
    generations=1,
    start=3,
    parents=(1, 0, 0),
    promotions=(0, 0),
    finalists=1,
    compare=0,
    audit="off",
    channels=4,
    cells=3,
    batch=25,
    final_batch=25,
    progress=False,
)
trial, record = search.best
print(trial.role, f"validation accuracy {record.metrics['accuracy']:.2f}")

# The run ends with a model. Test images were read once, for its notes.

model = search.model()
print(type(model.network).__name__, model.classes)

# A model file knows its classes and how pixels are prepared. On the command line it is
# `thriftnas predict runs/search/model.pt IMAGE`; in Python it takes bytes `(N, C, H, W)`.

chances = model.probabilities(images[600:608].transpose(0, 3, 1, 2))
print("predicted", [model.classes[i] for i in chances.argmax(axis=1)], "of", labels[600:608].tolist())

# Calling `thriftnas.econas` again with the same folder would do nothing, because the run has ended. A run that was
# killed continues, to the same digest:

print(search.digest[:12], search.finished)
