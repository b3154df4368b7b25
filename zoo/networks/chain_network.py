"""Chain genotype and skeleton to a trainable network: stem, one module per layer, head."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from zoo.networks.cell_network import apart, initialise
from zoo.networks.inverted import InvertedBottleneck, Skip, activation, conv_norm, projection, stabilizer
from zoo.spaces.chain import Chain
from zoo.spaces.chain_cost import chain_skeleton, scaled_chain
from zoo.spaces.chain_space import PUBLISHED_CHAINS, require_chain
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.skeleton import Skeleton


class ChainNetwork(nn.Module):
    """A stem, the chosen layers, a 1×1 convolution, global average pooling and a linear classifier.

    A skip is no module with weights: the next block's first convolution reads the channels that come in.

    Args:
        genotype: the choices.
        skeleton: its ``channels`` are the stem's and scale all others; ``cells`` says nothing.
        stabilizers: whether skips are the linear 1×1 convolutions they are in a supernet.

    Raises:
        ValueError: for a genotype that is not of its space, or a space that is none of chain networks.
    """

    def __init__(self, genotype: ChainGenotype, skeleton: Skeleton, stabilizers: bool = False) -> None:
        super().__init__()
        chain = scaled_chain(require_chain(genotype).space, skeleton)
        self.genotype, self.skeleton, self.stabilizers = genotype, skeleton, stabilizers
        self.stem = make_stem(chain, skeleton.in_channels)
        self.layers = nn.ModuleList()
        width = chain.entry
        for choice, plan in zip(genotype.choices, chain.layers, strict=True):
            block = chain.choices[choice]
            if block is not None:
                self.layers.append(InvertedBottleneck(block, plan, width, chain.activation))
            elif chain.projecting and not plan.keeps_shape:
                self.layers.append(projection(plan))
            elif stabilizers:
                self.layers.append(stabilizer(plan))
            else:
                self.layers.append(Skip(plan.stride))
                continue  # the width stays what it was
            width = plan.width
        self.head = make_head(chain, width)
        self.classifier = nn.Linear(chain.head, skeleton.classes)

    def forward(self, x: Tensor, drop: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Logits (B, classes) of images (B, in_channels, H, W); ``drop`` is the path-dropout probability."""
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x, drop, generator) if isinstance(layer, InvertedBottleneck) else layer(x)
        logits: Tensor = self.classifier(self.head(x).mean(dim=(2, 3)))
        return logits

    def with_auxiliary(
        self, x: Tensor, drop: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Chains have no auxiliary head.

        Raises:
            ValueError: always.
        """
        raise ValueError("a chain network has no auxiliary head; train it without one")


def make_stem(chain: Chain, in_channels: int) -> nn.Sequential:
    """The first convolution and, where the chain has one, the separable convolution."""
    first = [*conv_norm(in_channels, chain.stem, 3, chain.stem_stride), activation(chain.outer)]
    if not chain.separable:
        return nn.Sequential(*first)
    depthwise = [*conv_norm(chain.stem, chain.stem, 3, groups=chain.stem), activation(chain.outer)]
    return nn.Sequential(*first, *depthwise, *conv_norm(chain.stem, chain.separable, 1))


def make_head(chain: Chain, width: int) -> nn.Sequential:
    """The last 1×1 convolution, from ``width`` channels."""
    return nn.Sequential(*conv_norm(width, chain.head, 1), activation(chain.outer))


def build_chain(
    genotype: ChainGenotype,
    skeleton: Skeleton,
    generator: torch.Generator,
    *,
    stabilizers: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> ChainNetwork:
    """A chain network whose initial weights come from ``generator`` alone, as :func:`build_network` has it."""
    with apart():
        network = ChainNetwork(genotype, skeleton, stabilizers)
    initialise(network, generator)
    return network.to(device=device, dtype=dtype)


def scarlet_a(seed: int = 0, *, classes: int = 1000, resolution: int = 224) -> ChainNetwork:
    """SCARLET-A with fresh weights: 365 M MACs, 6.7 M parameters; published 76.9 % ImageNet top-1 (Chu 2019)."""
    return _published("SCARLET_A", seed, classes, resolution)


def scarlet_b(seed: int = 0, *, classes: int = 1000, resolution: int = 224) -> ChainNetwork:
    """SCARLET-B with fresh weights: 327 M MACs, 6.5 M parameters (published 329 M); 76.3 % ImageNet top-1."""
    return _published("SCARLET_B", seed, classes, resolution)


def scarlet_c(seed: int = 0, *, classes: int = 1000, resolution: int = 224) -> ChainNetwork:
    """SCARLET-C with fresh weights: 280 M MACs, 6.1 M parameters (published 6.0 M); 75.6 % ImageNet top-1."""
    return _published("SCARLET_C", seed, classes, resolution)


def _published(name: str, seed: int, classes: int, resolution: int) -> ChainNetwork:
    genotype = PUBLISHED_CHAINS[name]
    skeleton = replace(chain_skeleton(genotype.space), resolution=resolution, classes=classes)
    return build_chain(genotype, skeleton, torch.Generator().manual_seed(seed))
