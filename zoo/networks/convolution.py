"""Convolutions with "same" padding and without bias, with kernels that can be trusted and are quick in training."""

from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.depthwise import Depthwise


class StridedPointwise(nn.Conv2d):
    """A strided 1×1 convolution, computed as one without stride on the pixels it reads; the same weights and numbers.

    oneDNN's weight gradient of the former writes past its workspace where channels come last and are fewer than a
    vector holds (https://github.com/uxlfoundation/oneDNN/issues/6035): wrong gradients, or a crash.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride))
        down, right = self.stride
        return functional.conv2d(x[:, :, ::down, ::right], self.weight, self.bias)


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution: (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride)) for odd kernels."""
    make = nn.Conv2d
    if kernel == 1 and stride > 1 and groups == 1:
        make = StridedPointwise
    elif 1 < groups == inputs == outputs:
        make = Depthwise
    return make(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)
