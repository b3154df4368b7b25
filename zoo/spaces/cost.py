"""MACs and parameters of a genotype in closed form: no network is built, and torch is not needed."""

from dataclasses import dataclass

from zoo.spaces.genotype import INPUTS, CellGenotype
from zoo.spaces.operations import OPERATIONS, Operation
from zoo.spaces.skeleton import CellPlan, Skeleton


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image costs: multiply-accumulates of convolutions and linear layers, and trainable parameters.

    One multiplication with one addition is one MAC; normalisation, activation and pooling are not counted,
    as in torch's flop counter (which counts two per MAC).
    """

    macs: int
    params: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.macs + other.macs, self.params + other.params)


def cost(genotype: CellGenotype, skeleton: Skeleton) -> Cost:
    """MACs per image and parameters of the network that ``genotype`` builds on ``skeleton``.

    Without the auxiliary head, which only training uses. Equal to counting on the built network.
    """
    total = _stem(skeleton)
    width = 0
    for plan in skeleton.plan(genotype):
        cell = genotype.reduction if plan.reduction else genotype.normal
        total += _preprocessing(plan)
        for _, edge in cell.edges():
            strided = plan.reduction and edge.source < INPUTS
            size = plan.resolution if edge.source < INPUTS else _output_resolution(plan)
            total += operation_cost(OPERATIONS[edge.op], plan.channels, size, 2 if strided else 1)
        width = plan.channels * len(cell.concat)
    return total + Cost(width * skeleton.classes, width * skeleton.classes + skeleton.classes)


def operation_cost(operation: Operation, channels: int, resolution: int, stride: int) -> Cost:
    """Cost of one operation on ``channels`` maps of ``resolution``² pixels.

    A strided operation halves the resolution, which must be even.
    """
    c, k = channels, operation.kernel
    pixels = (resolution // stride) ** 2
    match operation.kind:
        case "sep_conv":  # depthwise, pointwise, norm; twice
            return Cost(2 * (c * k * k + c * c) * pixels, 2 * (c * k * k + c * c + 2 * c))
        case "dil_conv":
            return Cost((c * k * k + c * c) * pixels, c * k * k + c * c + 2 * c)
        case "conv":
            return Cost(c * c * k * k * pixels, c * c * k * k + 2 * c)
        case "rect_conv":  # the first of the two still has the full height
            return Cost(c * c * k * pixels * (stride + 1), 2 * c * c * k + 2 * c)
        case "skip" if stride == 2:
            return _pointwise(c, c, pixels)
        case _:
            return Cost(0, 0)


def _pointwise(inputs: int, outputs: int, pixels: int) -> Cost:
    """A 1×1 convolution (or a factorized reduce, which costs the same) and its norm."""
    return Cost(inputs * outputs * pixels, inputs * outputs + 2 * outputs)


def _output_resolution(plan: CellPlan) -> int:
    return plan.resolution // 2 if plan.reduction else plan.resolution


def _preprocessing(plan: CellPlan) -> Cost:
    pixels = plan.resolution**2
    return _pointwise(plan.before_previous, plan.channels, pixels) + _pointwise(plan.previous, plan.channels, pixels)


def _stem(skeleton: Skeleton) -> Cost:
    if skeleton.form == "cifar":
        return _conv3(skeleton.in_channels, skeleton.stem_channels, skeleton.resolution)
    c, r = skeleton.channels, skeleton.resolution
    return _conv3(skeleton.in_channels, c // 2, r // 2) + _conv3(c // 2, c, r // 4) + _conv3(c, c, r // 8)


def _conv3(inputs: int, outputs: int, resolution: int) -> Cost:
    weights = 9 * inputs * outputs
    return Cost(weights * resolution**2, weights + 2 * outputs)
