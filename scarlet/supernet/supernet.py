"""The supernet: every choice of every layer as a module, of which a path uses one per layer."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from scarlet.supernet.form import Start, SupernetForm
from zoo.networks.cell_network import initialise
from zoo.networks.chain_network import make_head, make_stem
from zoo.networks.inverted import InvertedBottleneck, SqueezeExcitation, projection, stabilizer
from zoo.spaces.chain import Chain, LayerPlan
from zoo.spaces.chain_cost import scaled_chain
from zoo.spaces.skeleton import Skeleton


class PlainSkip(nn.Module):
    """A skip without weights: every ``stride``-th pixel, and channels of zeros where the layer is wider.

    The next block's filters see exactly the channels they see in an extracted network.
    """

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__()
        self.stride, self.added = plan.stride, plan.width - plan.inputs

    def forward(self, x: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, width, H/stride, W/stride)
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.added)) if self.added else x  # fewer: the last are cut off


class Supernet(nn.Module):
    """Stem, layers of parallel choices, head.

    Args:
        form: space, stabilizers, sharing.
        skeleton: as of a chain network.
    """

    def __init__(self, form: SupernetForm, skeleton: Skeleton) -> None:
        super().__init__()
        self.form, self.skeleton = form, skeleton
        self.chain = scaled_chain(form.space, skeleton)
        self.stem = make_stem(self.chain, skeleton.in_channels)
        plans = self.chain.layers
        self.layers = nn.ModuleList(_choices(self.chain, plan, form) for plan in plans)
        self.head = make_head(self.chain, plans[-1].width)
        self.classifier = nn.Linear(self.chain.head, skeleton.classes)

    def forward(self, x: Tensor, path: Sequence[int]) -> Tensor:
        """Logits (B, classes) of images (B, in_channels, H, W) by one choice per layer."""
        x = self.stem(x)
        for number, choice in enumerate(path):
            x = self.choice(number, choice)(x)
        logits: Tensor = self.classifier(self.head(x).mean(dim=(2, 3)))
        return logits

    def choice(self, layer: int, number: int) -> nn.Module:
        """The module of one choice of one layer."""
        return cast(nn.ModuleList, self.layers[layer])[number]


def _choices(chain: Chain, plan: LayerPlan, form: SupernetForm) -> nn.ModuleList:
    shared: dict[int, SqueezeExcitation] = {}
    modules: list[nn.Module] = []
    for block in chain.choices:
        if block is None:
            modules.append(_skip(chain, plan, form.stabilizers))
            continue
        squeeze = None
        if block.excited and form.shared_squeeze:
            squeeze = shared.setdefault(block.expansion, SqueezeExcitation(block.expansion * plan.inputs))
        modules.append(InvertedBottleneck(block, plan, plan.inputs, chain.activation, squeeze))
    return nn.ModuleList(modules)


def _skip(chain: Chain, plan: LayerPlan, stabilizers: bool) -> nn.Module:
    if chain.projecting and not plan.keeps_shape:
        return projection(plan)
    return stabilizer(plan) if stabilizers else PlainSkip(plan)


def build_supernet(
    form: SupernetForm,
    skeleton: Skeleton,
    generator: torch.Generator,
    *,
    start: Start = "identity",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Supernet:
    """A supernet whose initial weights come from ``generator`` alone, a CPU generator, on any device.

    Distributions are those of a chain network. Deviation: the paper is silent about how stabilizers begin; the
    identity is our default, for which the evidence is as small as docs/results.md says.
    """
    with torch.device("meta"):
        network = Supernet(form, skeleton)
    network = network.to_empty(device="cpu")
    initialise(network, generator)
    if start == "identity":
        _begin_as_skips(network)
    return network.to(device=device, dtype=dtype)


@torch.no_grad()
def _begin_as_skips(network: Supernet) -> None:
    """Let every stabilizer begin as the plain skip it stands for."""
    skip = network.chain.skip
    for number, plan in enumerate(network.chain.layers):
        module = None if skip is None else network.choice(number, skip)
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(torch.eye(plan.width, plan.inputs)[:, :, None, None])
