"""Extraction: a path of a supernet as a plain network, its skips folded into the blocks after them, with a proof."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scarlet.supernet.supernet import PlainSkip, Supernet
from zoo.networks.chain_network import ChainNetwork
from zoo.networks.inverted import InvertedBottleneck, Skip
from zoo.spaces.chain import LayerPlan
from zoo.spaces.genotype import ChainGenotype


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProof:
    """How one layer of an extracted network compares with the supernet's.

    Attributes:
        layer: number from 0; the number of layers is the head.
        folded: how many skips before it went into its first convolution.
        exact: whether the theorem applies: it had nothing to fold, or has no shortcut the skips would have fed.
        shortcut: what became of such a shortcut, the branch being folded: "carries the input" that the skips
            received, or "left out" where the widths differ; empty where exact.
        deviation: largest difference of its output, relative to the supernet's largest value; both from what the
            supernet computes before the folded skips.
    """

    layer: int
    folded: int
    exact: bool
    shortcut: str
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extraction:
    """An extracted network and what is known about it.

    Attributes:
        network: without a trace of the supernet, in evaluation mode.
        proof: of every layer that is no skip, and of the head.
        deviation: largest difference of the logits on the probe, relative to the supernet's largest logit.
    """

    network: ChainNetwork
    proof: tuple[LayerProof, ...]
    deviation: float

    @property
    def inexact(self) -> tuple[LayerProof, ...]:
        """The layers to which the theorem does not apply."""
        return tuple(layer for layer in self.proof if not layer.exact)


def extract(supernet: Supernet, path: Sequence[int], *, keep_stabilizers: bool = False) -> Extraction:
    """The network of a path with the supernet's weights.

    A skip is a linear map of channels, W1 of shape (c_{l+1}, c_l): the stabilizer's weights, or ones and zeros of a
    plain skip. The next block's first convolution W2 becomes W3 = W2 W1 (Eq. 4, supplement of Chu 2019), runs of
    skips one by one, those at the end in the head's convolution. A next block with a shortcut also adds W1 x to its
    output, for which an extracted network has no place: there only the branch is folded, and the shortcut carries x
    where the widths agree and is absent otherwise. Such layers are inexact, and measured.

    Args:
        supernet: trained; it is not changed.
        path: one choice per layer.
        keep_stabilizers: keep every skip as a 1×1 convolution instead: exact, and it costs its MACs.

    Raises:
        ValueError: for a path that is not of the supernet's space.
    """
    genotype = ChainGenotype(supernet.form.space, tuple(int(choice) for choice in path))
    weight = supernet.classifier.weight
    with torch.device("meta"):
        network = ChainNetwork(genotype, supernet.skeleton, keep_stabilizers)
    network = network.to_empty(device=weight.device).double().eval()  # so that the proof is of the maths
    network.stem.load_state_dict(supernet.stem.state_dict())
    network.classifier.load_state_dict(supernet.classifier.state_dict())
    before = _Before()
    for number, (choice, plan) in enumerate(zip(genotype.choices, supernet.chain.layers, strict=True)):
        source, target = supernet.choice(number, choice), network.layers[number]
        if isinstance(target, Skip):
            before = before.then(_matrix(source, plan))
        elif isinstance(source, PlainSkip):
            assert isinstance(target, nn.Conv2d)
            target.load_state_dict({"weight": _matrix(source, plan)[:, :, None, None]})
        else:
            _load(target, source, before)
            before = _Before()
    _load(network.head, supernet.head, before)
    proof, deviation = _prove(supernet, network)
    placed = network.to(weight.dtype).to(memory_format=torch.channels_last)
    return Extraction(network=placed, proof=proof, deviation=deviation)


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    """The skips before a layer: how many, and their product (nominal channels, channels that come in)."""

    count: int = 0
    product: Tensor | None = None

    def then(self, matrix: Tensor) -> "_Before":
        product = matrix if self.product is None else matrix @ self.product.to(matrix.device)
        return _Before(self.count + 1, product)


@torch.no_grad()
def _matrix(skip: nn.Module, plan: LayerPlan) -> Tensor:
    """What a skip does to channels, float64 (width, inputs); a plain one passes them on, or zeros."""
    if isinstance(skip, nn.Conv2d):
        return skip.weight.detach()[:, :, 0, 0].double()
    return torch.eye(plan.width, plan.inputs, dtype=torch.float64)


@torch.no_grad()
def _load(target: nn.Module, source: nn.Module, before: _Before) -> None:
    """Copy weights, the first convolution's with the skips before it folded in."""
    state = {name: tensor.detach().clone() for name, tensor in source.state_dict().items()}
    if before.product is not None:
        first = "expand.weight" if isinstance(source, InvertedBottleneck) else "0.weight"
        state[first] = torch.einsum("ophw,pi->oihw", state[first].double(), before.product.to(state[first].device))
    target.load_state_dict(state)


@torch.no_grad()
def _prove(supernet: Supernet, network: ChainNetwork) -> tuple[tuple[LayerProof, ...], float]:
    """Compare layer by layer and in all, in float64, on a probe of two random images."""
    shape, device = supernet.skeleton, supernet.classifier.weight.device
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(2, shape.in_channels, shape.resolution, shape.resolution, generator=generator).double()
    path = network.genotype.choices
    used = [copy.deepcopy(supernet.choice(i, choice)).double().eval() for i, choice in enumerate(path)]
    stem, head, classifier = (
        copy.deepcopy(part).double().eval() for part in (supernet.stem, supernet.head, supernet.classifier)
    )
    maps = ours = stem(probe.to(device))
    proof, folded = [], 0
    for number, (theirs, mine) in enumerate(zip([*used, head], [*network.layers, network.head], strict=True)):
        if isinstance(mine, Skip):
            maps, ours, folded = theirs(maps), mine(ours), folded + 1
            continue
        before = maps
        maps, got = theirs(maps), mine(ours)
        fed = isinstance(theirs, InvertedBottleneck) and theirs.shortcut and not _same(before, ours)
        kept = isinstance(mine, InvertedBottleneck) and mine.shortcut
        done = ("carries the input" if kept else "left out") if fed else ""
        proof.append(LayerProof(layer=number, folded=folded, exact=not fed, shortcut=done, deviation=_apart(got, maps)))
        ours, folded = maps, 0  # every layer is judged alone
    logits = classifier(maps.mean(dim=(2, 3)))
    return tuple(proof), _apart(network(probe.to(device)), logits)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _apart(got: Tensor, wanted: Tensor) -> float:
    return ((got - wanted).abs().max() / wanted.abs().max().clamp_min(1e-300)).item()
