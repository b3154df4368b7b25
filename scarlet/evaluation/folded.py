"""A supernet's choices for evaluation: normalisation folded into convolutions, activations and shortcuts fused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from scarlet.supernet.supernet import PlainSkip, Supernet
from zoo.networks.inverted import InvertedBottleneck, SqueezeExcitation
from zoo.spaces.chain import Activation

Moments = tuple[Tensor, Tensor]
"""Mean and variance of a normalisation, each (channels,), where they are not the ones it holds."""

_FUSED: dict[Activation | None, tuple[str, list[float]]] = {
    None: ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
    "hswish": ("hardswish", []),
}
_PLAIN: dict[Activation | None, Callable[[Tensor], Tensor]] = {
    None: lambda x: x,
    "relu": torch.relu_,
    "relu6": lambda x: functional.hardtanh(x, 0.0, 6.0, inplace=True),
    "hswish": lambda x: functional.hardswish(x, inplace=True),
}


def fusible(device: torch.device | str, dtype: torch.dtype) -> bool:
    """Whether one kernel does convolution, activation and sum here: oneDNN's, on CPUs, in float32 and bfloat16.

    In bfloat16 it refuses processors without instructions for it, such as those with AVX2 only.
    """
    return (
        torch.device(device).type == "cpu"
        and dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and (dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    )


class FoldedConv:
    """A convolution with the normalisation and the activation that follow it.

    Args:
        weight: (outputs, inputs / groups, k, k), normalisation included.
        bias: (outputs,) or None.
        stride: of the convolution; its padding is "same".
        groups: of the convolution.
        active: the activation, None for none.
        fused: whether one kernel does all; it orders its weights when it first sees what they are for.
    """

    __slots__ = ("_ordered", "active", "bias", "fused", "groups", "padding", "stride", "weight")

    def __init__(
        self, weight: Tensor, bias: Tensor | None, stride: int, groups: int, active: Activation | None, fused: bool
    ) -> None:
        self.weight, self.bias, self.stride, self.groups = weight, bias, stride, groups
        self.active, self.fused, self.padding = active, fused, weight.shape[2] // 2
        self._ordered = False

    def __call__(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, outputs, H/stride, W/stride), ``added`` of that shape being summed up."""
        padding = self.padding
        if not self.fused:
            out = functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)
            out = _PLAIN[self.active](out)
            return out if added is None else out.add_(added)
        sizes: tuple[Any, ...] = ([padding] * 2, [self.stride] * 2, [1, 1], self.groups)
        if not self._ordered:
            self._ordered = True
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *sizes, list(x.shape))
        if added is not None and x.shape[2:] != (1, 1):
            return cast(
                Tensor,
                torch.ops.mkldnn._convolution_pointwise.binary(
                    x, added, self.weight, self.bias, *sizes, "add", 1.0, None, [], None
                ),
            )
        name, scalars = _FUSED[self.active]
        out = cast(
            Tensor,
            torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *sizes, name, scalars, ""),
        )
        return out if added is None else out.add_(added)  # the kernels of torch 2.6 cannot add maps of one pixel


@dataclass(frozen=True, slots=True)
class Folding:
    """How folded weights are held: a dtype, channels-last or not, fused or not."""

    dtype: torch.dtype
    channels_last: bool
    fused: bool

    @classmethod
    def best(cls, device: torch.device | str, dtype: torch.dtype) -> "Folding":
        """Channels-last, fused where that is possible."""
        return cls(dtype, True, fusible(device, dtype))

    def place(self, x: Tensor) -> Tensor:
        """A tensor (…, C, H, W) in this dtype and memory format."""
        return x.to(self.dtype, memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)

    def conv(
        self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, active: Activation | None, moments: Moments | None = None
    ) -> FoldedConv:
        """``conv``, ``norm`` with its own statistics or with ``moments``, and an activation as one."""
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        if norm is not None:
            assert norm.running_mean is not None  # our normalisations track statistics
            assert norm.running_var is not None
            mean, variance = moments or (norm.running_mean, norm.running_var)
            scale = norm.weight.detach() * torch.rsqrt(variance + norm.eps)
            bias = norm.bias.detach() - mean * scale
            weight = weight * scale[:, None, None, None]
        held = None if bias is None else bias.to(self.dtype)
        return FoldedConv(self.place(weight), held, conv.stride[0], conv.groups, active, self.fused)


@dataclass(frozen=True, slots=True, eq=False)
class _Squeeze:
    """Squeeze-excitation on vectors: (weight, bias) of both matrices."""

    reduce: tuple[Tensor, Tensor]
    expand: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, squeeze: SqueezeExcitation, dtype: torch.dtype) -> "_Squeeze":
        def matrix(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
            assert conv.bias is not None
            return conv.weight.detach().flatten(1).to(dtype).contiguous(), conv.bias.detach().to(dtype)

        return cls(matrix(squeeze.reduce), matrix(squeeze.expand))

    def __call__(self, x: Tensor) -> Tensor:  # in place
        scale = torch.relu_(functional.linear(x.mean(dim=(2, 3)), *self.reduce))
        scale = functional.hardsigmoid(functional.linear(scale, *self.expand), inplace=True)
        return x.mul_(scale[:, :, None, None])


@dataclass(frozen=True, slots=True, eq=False)
class FoldedBlock:
    """An inverted bottleneck as three convolutions."""

    expand: FoldedConv
    depthwise: FoldedConv
    squeeze: _Squeeze | None
    project: FoldedConv
    shortcut: bool

    def __call__(self, x: Tensor) -> Tensor:
        hidden = self.depthwise(self.expand(x))
        if self.squeeze is not None:
            hidden = self.squeeze(hidden)
        return self.project(hidden, x if self.shortcut else None)


Layer = Callable[[Tensor], Tensor]


def fold_layer(
    module: nn.Module, inside: Activation, folding: Folding, moments: Sequence[Moments] | None = None
) -> Layer:
    """One choice of one layer for evaluation.

    Args:
        module: the choice.
        inside: activation of blocks.
        folding: dtype and kernels.
        moments: of its normalisations in order, where they are not the ones it holds.
    """
    if isinstance(module, InvertedBottleneck):
        first, second, third = moments or (None, None, None)
        return FoldedBlock(
            folding.conv(module.expand, module.norm_1, inside, first),
            folding.conv(module.depthwise, module.norm_2, inside, second),
            None if module.squeeze is None else _Squeeze.of(module.squeeze, folding.dtype),
            folding.conv(module.project, module.norm_3, None, third),
            module.shortcut,
        )
    if isinstance(module, nn.Conv2d):
        return folding.conv(module, None, None)
    if isinstance(module, PlainSkip):
        return module
    return fold_sequence(module, None, folding, moments)[0]


def fold_sequence(
    module: nn.Module, active: Activation | None, folding: Folding, moments: Sequence[Moments] | None = None
) -> list[FoldedConv]:
    """The convolutions of a stem, a head or a projection, each with its normalisation and activation."""
    parts = list(module.children())
    found: list[FoldedConv] = []
    for place, (conv, norm) in enumerate(pairwise(parts)):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            last = place + 2 == len(parts)  # no activation follows
            found.append(folding.conv(conv, norm, None if last else active, moments[len(found)] if moments else None))
    return found


class FoldedSupernet:
    """A supernet that evaluates paths; every choice is folded when it is first needed.

    Args:
        supernet: its weights are copied when they are needed; it must not be trained meanwhile.
        folding: dtype and kernels.
    """

    def __init__(self, supernet: Supernet, folding: Folding) -> None:
        self.supernet, self.folding = supernet, folding
        self._layers: dict[tuple[int, int], Layer] = {}
        self._ends: dict[str, list[FoldedConv]] = {}
        self._classifier = tuple(p.detach().to(folding.dtype) for p in supernet.classifier.parameters())

    @property
    def bytes_per_image(self) -> int:
        """What an image's maps take on the dearest path: those between layers, which are kept, and a block's inside."""
        chain, skeleton = self.supernet.chain, self.supernet.skeleton
        side = -(-skeleton.resolution // chain.stem_stride)
        kept = skeleton.in_channels * skeleton.resolution**2 + 2 * (chain.stem + chain.entry) * side**2
        widest = max((block.expansion for block in chain.choices if block is not None), default=1)
        inside = 0
        for plan in chain.layers:
            before, side = side, -(-side // plan.stride)
            kept += plan.width * side**2
            inside = max(inside, widest * plan.inputs * (before**2 + side**2))
        return (kept + max(inside, chain.head * side**2)) * self.folding.dtype.itemsize

    def stem(self, x: Tensor, moments: Sequence[Moments] | None = None) -> Tensor:
        """Images (B, in_channels, H, W) to what the first layer receives."""
        for conv in self._end("stem", self.supernet.stem, moments):
            x = conv(x)
        return x

    def layer(self, number: int, choice: int, moments: Sequence[Moments] | None = None) -> Layer:
        """One choice of one layer."""
        inside = self.supernet.chain.activation
        if moments is not None:  # of one path: not worth keeping
            return fold_layer(self.supernet.choice(number, choice), inside, self.folding, moments)
        if (number, choice) not in self._layers:
            self._layers[number, choice] = fold_layer(self.supernet.choice(number, choice), inside, self.folding)
        return self._layers[number, choice]

    def head(self, x: Tensor, moments: Sequence[Moments] | None = None) -> Tensor:
        """Maps of the last layer to logits (B, classes), at least float32."""
        for conv in self._end("head", self.supernet.head, moments):
            x = conv(x)
        logits = functional.linear(x.mean(dim=(2, 3)), *self._classifier)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _end(self, name: str, module: nn.Module, moments: Sequence[Moments] | None) -> list[FoldedConv]:
        outer = self.supernet.chain.outer
        if moments is not None:
            return fold_sequence(module, outer, self.folding, moments)
        if name not in self._ends:
            self._ends[name] = fold_sequence(module, outer, self.folding)
        return self._ends[name]
