"""The parameter buffer: weights, gradients, momenta and statistics of several networks, each kind in one flat tensor.

What a step does to every weight (clip, decay, momentum, update) is then a handful of operations instead of a handful
for each of a thousand parameters, and equal parameters of different networks lie side by side, ready for one batched
product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(slots=True, eq=False)
class Slot:
    """Equally shaped parameters of M layers side by side; ``weight`` and ``gradient`` are (M, …) views of the buffer.

    A slot is used once in a step: its gradient is written, never added to.
    """

    parameters: Sequence[Tensor]
    owners: Sequence[int]
    start: int
    written: "Written"
    weight: Tensor = field(init=False)
    gradient: Tensor = field(init=False)

    @property
    def part(self) -> slice:
        """Where in the parameter buffer it lies."""
        return slice(self.start, self.start + len(self.parameters) * self.parameters[0].numel())

    @property
    def rows(self) -> int:
        """M · C' kernels."""
        return len(self.parameters) * self.parameters[0].shape[0]

    def of(self, flat: Tensor) -> Tensor:
        """Its part of a flat tensor, (M, …)."""
        return flat[self.part].view(len(self.parameters), *self.parameters[0].shape)

    def put(self, gradient: Tensor) -> None:
        """Note the gradients of all M, in any shape that has their elements in order."""
        self.written.note(self.gradient, gradient.view(self.gradient.shape))


class Written:
    """What a pass writes into the buffer, noted until its end: a few launches then, instead of one for each."""

    def __init__(self) -> None:
        self._places: list[Tensor] = []
        self._values: list[Tensor] = []

    def note(self, place: Tensor, value: Tensor) -> None:
        """``value`` is to stand in ``place``, a tensor of the same shape."""
        self._places.append(place)
        self._values.append(value)

    def settle(self) -> None:
        """Write everything that was noted."""
        if self._places:
            torch._foreach_copy_(self._places, self._values)
            self._places, self._values = [], []


@dataclass(slots=True, eq=False)
class NormSlot:
    """M batch normalisations side by side, of maps of ``pixels`` pixels; the tensors are (M · C,) views of the buffer.

    Attributes:
        weight, bias: scale and shift, always in the storage dtype.
        mean, inverse: of the current batch; ``inverse`` is 1 / √(variance + eps).
        running_mean, running_var: as in the modules.
    """

    norms: Sequence[nn.BatchNorm2d]
    weights: Slot
    biases: Slot
    pixels: int
    start: int
    weight: Tensor = field(init=False)
    bias: Tensor = field(init=False)
    mean: Tensor = field(init=False)
    inverse: Tensor = field(init=False)
    running_mean: Tensor = field(init=False)
    running_var: Tensor = field(init=False)

    def note(self, mean: Tensor, inverse: Tensor) -> None:
        """Note the statistics of the current batch, M · C numbers each in any shape."""
        self.weights.written.note(self.mean, mean.view(self.mean.shape))
        self.weights.written.note(self.inverse, inverse.view(self.inverse.shape))

    @property
    def part(self) -> slice:
        """Where in the parameter buffer's statistics it lies."""
        return slice(self.start, self.start + len(self.norms) * self.norms[0].num_features)


class ParameterBuffer:
    """Parameters and running statistics of ``networks``, borrowed from :meth:`open` to :meth:`close`.

    While the parameter buffer is open the modules' parameters are views of it; running statistics are its alone. Where
    it is on another device than they are, parameters are out of date until it is closed: everything goes there
    and back as one tensor of each kind, not parameter by parameter.

    Args:
        networks: K modules on one device, in one dtype.
        compute: dtype that layers compute in; weights, gradients and statistics stay in the modules' own.
        device: where the buffer is; the modules' own by default.
    """

    def __init__(self, networks: Sequence[nn.Module], compute: torch.dtype, device: torch.device | None = None) -> None:
        example = next(networks[0].parameters())
        self.storage, self.compute, self.home = example.dtype, compute, example.device
        self.device = device or self.home
        self._slots: list[Slot] = []
        self._norms: list[NormSlot] = []
        self._homes: list[tuple[Tensor, Tensor]] = []
        self._networks = len(networks)
        self.written = Written()

    def slot(self, parameters: Sequence[Tensor], owners: Sequence[int]) -> Slot:
        """Room for equally shaped parameters; ``owners`` numbers the network of each."""
        self._slots.append(Slot(parameters, owners, self._slots[-1].part.stop if self._slots else 0, self.written))
        return self._slots[-1]

    def norm(self, norms: Sequence[nn.BatchNorm2d], owners: Sequence[int], pixels: int) -> NormSlot:
        """Room for equally wide normalisations of maps of ``pixels`` pixels.

        Raises:
            ValueError: for another momentum or epsilon than torch's defaults, or without scale or statistics.
        """
        for norm in norms:
            if (norm.momentum, norm.eps, norm.affine, norm.track_running_stats) != (MOMENTUM, EPS, True, True):
                raise ValueError(f"a batch normalisation must be as torch makes it by default, got {norm}")
        weights = self.slot([norm.weight for norm in norms], owners)
        biases = self.slot([norm.bias for norm in norms], owners)
        start = self._norms[-1].part.stop if self._norms else 0
        self._norms.append(NormSlot(norms, weights, biases, pixels, start))
        return self._norms[-1]

    @torch.no_grad()
    def open(self) -> None:
        """Take weights and statistics over from the modules; gradients and momenta start at 0."""
        self._kept = torch.empty(self._slots[-1].part.stop, dtype=self.storage, device=self.home)
        for slot in self._slots:
            for parameter, home in zip(slot.parameters, slot.of(self._kept), strict=True):
                home.copy_(parameter.data)
                self._homes.append((parameter, parameter.data))
                parameter.data = home
        self.weights = self._kept if self.device == self.home else self._kept.to(self.device, copy=True)
        self.gradients, self.momenta = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self._computed = self.weights if self.compute == self.storage else self.weights.to(self.compute)
        for slot in self._slots:
            slot.weight, slot.gradient = slot.of(self._computed), slot.of(self.gradients)
        self._open_norms()
        self._number_owners()
        self.refresh()

    @torch.no_grad()
    def close(self) -> None:
        """Give weights and statistics back to the modules; the parameter buffer's own copies stay as they are."""
        if self._homes and self.weights is not self._kept:
            self._kept.copy_(self.weights)
        for parameter, home in self._homes:
            home.copy_(parameter.data)
            parameter.data = home
        self._homes = []
        running, steps = self._statistics[2:].to(self.home), self._steps.to(self.home)
        for slot in self._norms:
            means, variances = running[:, slot.part].view(2, len(slot.norms), -1)
            for norm, mean, variance in zip(slot.norms, means, variances, strict=True):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                assert norm.num_batches_tracked is not None
                norm.running_mean.copy_(mean)
                norm.running_var.copy_(variance)
                norm.num_batches_tracked.add_(steps)
        self._steps.zero_()

    def views(self, flat: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(network, parameter, the parameter's part of ``flat``) for all parameters."""
        for slot in self._slots:
            yield from zip(slot.owners, slot.parameters, slot.of(flat), strict=True)

    def refresh(self) -> None:
        """Bring the weights that layers compute with up to date, where their dtype is another one."""
        if self._computed is not self.weights:
            self._computed.copy_(self.weights)

    @torch.no_grad()
    def norms_of_gradients(self) -> Tensor:
        """The 2-norm of every network's gradient, (K,)."""
        if self._networks == 1:
            return self.gradients.square().sum(dim=0, keepdim=True).sqrt_()
        # unsafe: a check of the lengths would wait for the device in every step, and a captured step may not wait
        rows = torch.segment_reduce(self.gradients.square(), "sum", lengths=self._lengths, unsafe=True)
        return rows.new_zeros(self._networks).index_add_(0, self._row_owner, rows).sqrt_()

    @torch.no_grad()
    def step(self, rate: float | Tensor, *, momentum: float, decay: float, clip: float) -> None:
        """One step of SGD on all networks, each one's gradient clipped to the norm ``clip``; as torch's SGD.

        ``rate`` may be a tensor (), so that a captured step can be replayed at another rate.
        """
        scale = (clip / (self.norms_of_gradients() + 1e-6)).clamp_(max=1.0)
        self.gradients.mul_(scale if self._networks == 1 else scale[self._element_owner])
        self.gradients.add_(self.weights, alpha=decay)
        self.momenta.mul_(momentum).add_(self.gradients)
        self.weights.sub_(self.momenta * rate)
        self.refresh()

    @torch.no_grad()
    def track(self, images: int) -> None:
        """Move the running statistics towards those of a batch of ``images``, as nn.BatchNorm2d does."""
        mean, inverse, running_mean, running_var = self._statistics
        count = self._pixels * images
        variance = (inverse.pow(-2) - EPS) * (count / (count - 1))
        running_mean.lerp_(mean, MOMENTUM)
        running_var.lerp_(variance, MOMENTUM)
        self._steps.add_(1)

    def _open_norms(self) -> None:
        channels = self._norms[-1].part.stop if self._norms else 0  # of a constant network there is none
        self._steps = torch.zeros((), dtype=torch.long, device=self.device)  # where a captured step can count
        known = torch.zeros(5, channels, dtype=self.storage, device=self.home)
        for slot in self._norms:
            known[2, slot.part] = torch.cat([norm.running_mean for norm in slot.norms])  # type: ignore[misc]
            known[3, slot.part] = torch.cat([norm.running_var for norm in slot.norms])  # type: ignore[misc]
            known[4, slot.part] = slot.pixels
        known = known.to(self.device)
        self._statistics, self._pixels = known[:4], known[4]
        for slot in self._norms:
            slot.mean, slot.inverse, slot.running_mean, slot.running_var = self._statistics[:, slot.part]
            slot.weight, slot.bias = self.weights[slot.weights.part], self.weights[slot.biases.part]

    def _number_owners(self) -> None:
        """The network of every parameter and of every single weight, in the order of the flat tensors."""
        owners = torch.tensor([owner for slot in self._slots for owner in slot.owners], device=self.device)
        lengths = [slot.parameters[0].numel() for slot in self._slots for _ in slot.owners]
        self._row_owner, self._lengths = owners, torch.tensor(lengths, device=self.device)
        self._element_owner = owners
        if self._networks > 1:  # told its size, a GPU need not be asked for it
            self._element_owner = owners.repeat_interleave(self._lengths, output_size=sum(lengths))


MOMENTUM, EPS = 0.1, 1e-5
"""Of every batch normalisation, as torch makes them by default."""
