"""The plain loop that speed is measured against: what the authors' code and every tutorial do.

Torchvision transforms of PIL images in a DataLoader with two worker processes, eager NCHW modules, SGD as torch
builds it by default, the loss and the hits read off the device at every step, validation after every epoch. Nothing
here is slowed down on purpose and nothing is shared with the fast path but the network's definition, the recipe's
numbers and the images.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from zoo.data.image_set import ImageSet, Split
from zoo.networks.cell_network import build_network
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import Recipe

LOADERS = 2
"""Worker processes of a DataLoader."""

Batches = Iterable[tuple[Tensor, Tensor]]


class PictureSplit(Dataset[tuple[Tensor, int]]):
    """A split as torchvision's data sets hold it: arrays, made a PIL image one by one and transformed."""

    def __init__(self, split: Split, transform: transforms.Compose) -> None:
        self._pixels = split.images.transpose(0, 2, 3, 1).copy()  # (N, H, W, C)
        self._labels = split.labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self._pixels[index]
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return self._transform(picture), self._labels[index]


class Cutout:
    """Blanks a square around a random centre, clipped at the border (DeVries & Taylor 2017)."""

    def __init__(self, side: int) -> None:
        self._side = side

    def __call__(self, image: Tensor) -> Tensor:  # (C, H, W) -> (C, H, W)
        height, width = image.shape[1:]
        row, column = int(torch.randint(height, (1,))), int(torch.randint(width, (1,)))
        mask = torch.ones(height, width)
        top, left = row - self._side // 2, column - self._side // 2
        mask[max(0, top) : max(0, top + self._side), max(0, left) : max(0, left + self._side)] = 0
        return image * mask


def seen_in_training(images: ImageSet, resolution: int, cutout: int) -> transforms.Compose:
    """Pad and crop, flip, resize, to a tensor, normalise, cut out (Appendix E.2, Zhou 2020)."""
    steps: list[object] = [transforms.RandomCrop(images.resolution, padding=(4 * images.resolution + 16) // 32)]
    if images.flip:
        steps.append(transforms.RandomHorizontalFlip())
    steps += _resized(images, resolution)
    if cutout:
        steps.append(Cutout(cutout))
    return transforms.Compose(steps)


def seen_in_validation(images: ImageSet, resolution: int) -> transforms.Compose:
    """Resize, to a tensor, normalise."""
    return transforms.Compose(_resized(images, resolution))


def _resized(images: ImageSet, resolution: int) -> list[object]:
    resize = [transforms.Resize(resolution)] if resolution != images.resolution else []
    return [*resize, transforms.ToTensor(), transforms.Normalize(images.mean, images.std)]


@dataclass(slots=True)
class Average:
    """Running means of the loss and of the share of hits, from numbers read off the device at every step."""

    count: int = 0
    loss: float = 0.0
    accuracy: float = 0.0

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean loss, logits (B, classes), labels (B,)."""
        hits = (logits.argmax(dim=1) == labels).float().mean()
        for name, value in (("loss", loss.item()), ("accuracy", hits.item())):
            mean = getattr(self, name)
            setattr(self, name, mean + (value - mean) * len(labels) / (self.count + len(labels)))
        self.count += len(labels)


class PlainLoop:
    """Trains one network, epoch by epoch.

    Args:
        network: on its device, in NCHW.
        recipe: of which batch, rates, momentum, decay and clipping are used; no path dropout, no auxiliary head.
        steps: of the full schedule.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, steps: int) -> None:
        self._network, self._recipe = network, recipe
        self._device = next(network.parameters()).device
        self._criterion = nn.CrossEntropyLoss()
        self._optimizer = torch.optim.SGD(
            network.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self._scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, steps, recipe.lr_min)

    def train(self, batches: Batches) -> Average:
        """One epoch over batches of images (B, C, H, W) and labels (B,)."""
        average = Average()
        self._network.train()
        for images, labels in batches:
            images, labels = images.to(self._device), labels.to(self._device)
            self._optimizer.zero_grad()
            logits = self._network(images)
            loss = self._criterion(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip)
            self._optimizer.step()
            self._scheduler.step()
            average.update(loss, logits, labels)
        return average

    @torch.no_grad()
    def validate(self, batches: Batches) -> Average:
        """Loss and accuracy over batches."""
        average = Average()
        self._network.eval()
        for images, labels in batches:
            images, labels = images.to(self._device), labels.to(self._device)
            logits = self._network(images)
            average.update(self._criterion(logits, labels), logits, labels)
        return average


def plain_training(
    genotype: CellGenotype,
    skeleton: Skeleton,
    recipe: Recipe,
    images: ImageSet,
    *,
    epochs: int,
    seed: int,
    device: str = "cpu",
    loaders: int = LOADERS,
) -> Sequence[tuple[Average, Average]]:
    """Train a network from scratch; training and validation averages of every epoch."""
    random = torch.Generator().manual_seed(seed)
    network = build_network(genotype, skeleton, random, device=device)
    cutout = int(recipe.cutout * skeleton.resolution + 0.5)
    train = DataLoader(
        PictureSplit(images.train, seen_in_training(images, skeleton.resolution, cutout)),
        batch_size=recipe.batch,
        shuffle=True,
        pin_memory=device != "cpu",
        num_workers=loaders,
        generator=random,
    )
    validation = DataLoader(
        PictureSplit(images.validation, seen_in_validation(images, skeleton.resolution)),
        batch_size=recipe.batch,
        pin_memory=device != "cpu",
        num_workers=loaders,
        generator=random,
    )
    loop = PlainLoop(network, recipe, epochs * len(train))
    return [(loop.train(train), loop.validate(validation)) for _ in range(epochs)]
