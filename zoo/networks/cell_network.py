"""Genotype and skeleton to a trainable network of cells, CIFAR or ImageNet form."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from zoo.networks.operations import FactorizedReduce, build_operation, relu_conv_norm
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype
from zoo.spaces.operations import OPERATIONS
from zoo.spaces.skeleton import CellPlan, Skeleton


def drop_path(x: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Zero whole examples of a path with ``probability`` and scale the others up (Larsson et al. 2017).

    The mask has shape (B, 1, 1, 1) and comes from ``generator``, which lives on ``x``'s device.
    """
    keep = torch.empty(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype)
    keep.bernoulli_(1 - probability, generator=generator)
    return x * keep / (1 - probability)


class CellModule(nn.Module):
    """One cell: two inputs are brought to the cell's channels, every node sums its edges, ``concat`` is stacked."""

    def __init__(self, cell: Cell, plan: CellPlan) -> None:
        super().__init__()
        c = plan.channels
        self.preprocess_0 = (
            FactorizedReduce(plan.before_previous, c)
            if plan.after_reduction
            else relu_conv_norm(plan.before_previous, c, 1)
        )
        self.preprocess_1 = relu_conv_norm(plan.previous, c, 1)
        self.concat = cell.concat
        self.sources: list[list[int]] = []
        self.nodes = nn.ModuleList()
        for edges in cell.nodes:
            # A none edge adds zero, so it is built only where a node has nothing else.
            kept = [edge for edge in edges if edge.op != "none"] or list(edges[:1])
            self.sources.append([edge.source for edge in kept])
            self.nodes.append(
                nn.ModuleList(
                    build_operation(OPERATIONS[edge.op], c, 2 if plan.reduction and edge.source < INPUTS else 1)
                    for edge in kept
                )
            )

    def forward(
        self, before: Tensor, previous: Tensor, drop: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:  # (B, C_pp, H', W'), (B, C_p, H, W) -> (B, C · len(concat), H or H/2, W or W/2)
        states: list[Tensor] = [self.preprocess_0(before), self.preprocess_1(previous)]
        for sources, operations in zip(self.sources, self.nodes, strict=True):
            total: Tensor | None = None
            for source, operation in zip(sources, operations, strict=True):  # type: ignore[call-overload]
                term = operation(states[source])
                if drop > 0 and not isinstance(operation, nn.Identity):
                    term = drop_path(term, drop, generator)
                total = term if total is None else total + term
            assert total is not None  # a node has edges
            states.append(total)
        if len(self.concat) == 1:
            return states[self.concat[0]]
        return torch.cat([states[node] for node in self.concat], dim=1)


class AuxiliaryHead(nn.Module):
    """A second classifier on the maps after the second reduction, which helps long trainings (Szegedy et al. 2015).

    Pools adaptively to 2×2, so that any resolution works.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, channels, H, W) -> (B, classes)
        out: Tensor = self.classifier(self.features(x).flatten(1))
        return out


class CellNetwork(nn.Module):
    """A stack of normal and reduction cells with a stem, global average pooling and a linear classifier.

    Args:
        genotype: the two cells.
        skeleton: channels, cells, form, resolution, classes.
        auxiliary: whether to build the auxiliary head; its logits come with :meth:`with_auxiliary` only.
    """

    def __init__(self, genotype: CellGenotype, skeleton: Skeleton, auxiliary: bool = False) -> None:
        super().__init__()
        self.genotype, self.skeleton = genotype, skeleton
        self.stem, self.stem_2 = make_stem(skeleton)
        self.cells = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        width = skeleton.stem_channels
        for position, plan in enumerate(skeleton.plan(genotype)):
            cell = genotype.reduction if plan.reduction else genotype.normal
            self.cells.append(CellModule(cell, plan))
            width = plan.channels * len(cell.concat)
            if auxiliary and position == skeleton.reductions[-1]:
                self.auxiliary = AuxiliaryHead(width, skeleton.classes)
        self.classifier = nn.Linear(width, skeleton.classes)

    def forward(self, x: Tensor, drop: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Logits (B, classes) of images (B, in_channels, H, W); ``drop`` is the path-dropout probability."""
        return self._run(x, drop, generator)[0]

    def with_auxiliary(
        self, x: Tensor, drop: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of the classifier and of the auxiliary head, both (B, classes).

        Raises:
            ValueError: if the network was built without an auxiliary head.
        """
        if self.auxiliary is None:
            raise ValueError("the network has no auxiliary head; build it with auxiliary=True")
        logits, maps = self._run(x, drop, generator)
        return logits, self.auxiliary(maps)

    def _run(self, x: Tensor, drop: float, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        before = self.stem(x)
        previous = before if self.stem_2 is None else self.stem_2(before)
        maps = previous
        for position, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous, drop, generator)
            if position == self.skeleton.reductions[-1]:
                maps = previous
        logits: Tensor = self.classifier(previous.mean(dim=(2, 3)))
        return logits, maps


def make_stem(skeleton: Skeleton) -> tuple[nn.Sequential, nn.Sequential | None]:
    """What reads images, and in the ImageNet form what makes the first cell's second input of that."""
    if skeleton.form == "cifar":
        return _conv3_norm(skeleton.in_channels, skeleton.stem_channels, 1), None
    c = skeleton.channels
    first = nn.Sequential(*_conv3_norm(skeleton.in_channels, c // 2, 2), nn.ReLU(), *_conv3_norm(c // 2, c, 2))
    return first, nn.Sequential(nn.ReLU(), *_conv3_norm(c, c, 2))


def _conv3_norm(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


def build_network(
    genotype: CellGenotype,
    skeleton: Skeleton,
    generator: torch.Generator,
    *,
    auxiliary: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> CellNetwork:
    """A network whose initial weights come from ``generator`` alone, a CPU generator, on any device.

    Every device starts from the same weights. Distributions are torch's defaults for the layers used.
    """
    with apart():
        network = CellNetwork(genotype, skeleton, auxiliary)
    initialise(network, generator)
    return network.to(device=device, dtype=dtype)


@contextmanager
def apart() -> Iterator[None]:
    """Within it layers may draw weights that nobody will see: on the CPU, the global random state is put back.

    To lay them out without memory, on torch's meta device, takes twice as long: it intercepts every call.
    """
    usual = torch.get_default_device().type == "cpu"
    with torch.random.fork_rng(devices=[]), nullcontext() if usual else torch.device("cpu"):
        yield


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fill every convolution, linear layer and normalisation, in the order of the modules, by torch's defaults."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = max(1, module.weight[0].numel() if module.weight.numel() else 1)
            bound = fan_in**-0.5  # Kaiming-uniform with a = √5, torch's default: gain √(1/3), times √3
            with torch.no_grad():
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.uniform_(-bound, bound, generator=generator)
