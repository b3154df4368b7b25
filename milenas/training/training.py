"""Training a supernet: w, α and β stepped in turn, a part of an epoch at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from milenas.supernet.config import KINDS
from milenas.supernet.supernet import Mixing, Supernet
from milenas.supernet.topology import penalty
from milenas.training.batches import Ask, Feed
from milenas.training.rules import weights_first
from milenas.training.setup import Method, SearchSetup
from milenas.training.updates import Gradient, Loss, Problem, direction, plain_gradient
from zoo.population.steps import stepped
from zoo.purposes import GUMBEL_NOISE
from zoo.training import Recipe
from zoo.training.distributed import ProcessGroup
from zoo.training.epoch import Stage, random_stream
from zoo.training.trainer import Diverged, learning_rate, make_optimizer

Noise = dict[str, Tensor] | None


@dataclass(slots=True)
class Progress:
    """What an epoch has summed up so far, carried from part to part."""

    loss: float = 0.0
    images: int = 0


@dataclass(frozen=True, slots=True)
class Learners:
    """The supernet with its two optimizers, which share no parameter; ``w`` is what the first one steps."""

    supernet: Supernet
    w: list[nn.Parameter]
    weights: torch.optim.SGD
    architecture: torch.optim.Adam


def make_learners(supernet: Supernet, recipe: Recipe, method: Method) -> Learners:
    """SGD on w, Adam on α and β (He et al. 2020)."""
    w = supernet.weights()
    sgd = make_optimizer(_Part(w), recipe)
    for weight in w:  # fused SGD wants all momenta or none; drawn one by one, operations would get theirs in turn
        sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    adam = torch.optim.Adam(
        supernet.architecture(), lr=method.lr, betas=method.moments, weight_decay=method.weight_decay
    )
    return Learners(supernet, w, sgd, adam)


class _Part(nn.Module):
    """Some parameters of a network as a module, which is what an optimizer's maker takes."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.held = nn.ParameterList(parameters)


def train_steps(
    learners: Learners,
    feed: Feed,
    setup: SearchSetup,
    stage: Stage,
    epoch: int,
    steps: range,
    progress: Progress,
    ranks: ProcessGroup,
) -> None:
    """Some steps of an epoch.

    Args:
        learners: supernet and optimizers; stepped.
        feed: batches of w, α and, with a split in 3, β.
        setup: of the search.
        stage: whose random numbers these are.
        epoch: from 0.
        steps: of the epoch, a part of ``range(len(feed))``.
        progress: sums up w's losses.
        process group: who trains together.

    Raises:
        Diverged: naming the epoch, if w's loss is not finite.
    """
    supernet, method = learners.supernet, setup.method
    gradient = team_gradient(ranks)
    update = method.update_in(epoch)
    noises = _noises(supernet, setup, stage, epoch, len(feed))
    total = torch.zeros((), device=supernet.classifier.weight.device, dtype=setup.precision.storage)
    supernet.train()
    for step, (of_weights, of_alpha, *of_beta) in zip(steps, feed.part(steps), strict=True):
        rate = learning_rate(setup.recipe, epoch * len(feed) + step, setup.epochs * len(feed))
        pixels, labels, whole = of_weights()
        loss_of = _Losses(supernet, setup, method.temperature(epoch, setup.epochs), ranks)
        own, others = noises(step)
        problem = Problem(
            weights=learners.w,
            alphas=supernet.alphas(),
            betas=supernet.betas(),
            train=loss_of(pixels, labels, whole, others),
            validation=_later(loss_of, of_alpha, others),
            topology=_later(loss_of, of_beta[0], others) if of_beta else None,
            penalty=_penalty(supernet, method.penalty),
            gradient=gradient,
        )
        if not weights_first(update):
            _step_architecture(learners, problem, setup, epoch, rate, ranks)
        ahead = loss_of(pixels, labels, whole, own, weighed=False)
        loss = _step_weights(learners, ahead, setup, rate, ranks, labels, whole)
        if weights_first(update):
            _step_architecture(learners, problem, setup, epoch, rate, ranks)
        total += loss * len(labels)
        progress.images += whole.stop - whole.start
        stepped(step + 1 - steps.start, len(steps))
    progress.loss += float(ranks.sum(total))
    if not math.isfinite(progress.loss):
        raise Diverged(f"diverged: the training loss is {progress.loss} in epoch {epoch + 1}")


def _step_weights(
    learners: Learners,
    loss_of: Loss,
    setup: SearchSetup,
    rate: float,
    ranks: ProcessGroup,
    labels: Tensor,
    whole: slice,
) -> Tensor:
    """One step of w, its gradient clipped; returns this process's mean loss. α and β take no part."""
    weights = learners.w
    for group in learners.weights.param_groups:
        group["lr"] = rate
    loss = loss_of()
    # An operation that was not drawn has no gradient: it does not move, nor does its momentum.
    found = torch.autograd.grad(ranks.weigh(loss, len(labels), whole), weights, allow_unused=True)
    used = [(weight, slope) for weight, slope in zip(weights, found, strict=True) if slope is not None]
    averaged = _averaged([slope for _, slope in used], ranks)
    for weight in weights:
        weight.grad = None
    for (weight, _), slope in zip(used, averaged, strict=True):
        weight.grad = _laid_out(slope, weight)
    nn.utils.clip_grad_norm_([weight for weight, _ in used], setup.recipe.clip)
    learners.weights.step()
    return loss.detach()


def _laid_out(slope: Tensor, weight: Tensor) -> Tensor:
    """A gradient in the strides of its weight, which ``backward`` would see to: torch's fused SGD ignores strides."""
    return slope if slope.stride() == weight.stride() else torch.empty_like(weight).copy_(slope)


def _step_architecture(
    learners: Learners, problem: Problem, setup: SearchSetup, epoch: int, rate: float, ranks: ProcessGroup
) -> None:
    """One step of α and β, during which running statistics stay as they are."""
    supernet, method = learners.supernet, setup.method
    supernet.track(False)
    try:
        found = direction(method.update_in(epoch), problem, lam=method.lam, rate=rate)
    finally:
        supernet.track(True)
    check_equal(found, ranks)
    for parameter, slope in zip(supernet.architecture(), found, strict=True):
        parameter.grad = slope
    learners.architecture.step()


@dataclass(frozen=True, slots=True)
class _Losses:
    """Makes losses of batches: mean cross-entropy of the supernet as the search's sampler mixes it."""

    supernet: Supernet
    setup: SearchSetup
    temperature: float
    ranks: ProcessGroup

    def __call__(self, pixels: Tensor, labels: Tensor, whole: slice, noise: Noise, weighed: bool = True) -> Loss:
        def loss() -> Tensor:
            precision, mixing = self.setup.precision, self._mixing(noise)  # mixed in full precision
            with precision.autocast():
                logits = self.supernet(precision.place(pixels), mixing)
                mean = functional.cross_entropy(logits, labels)
            return self.ranks.weigh(mean, len(labels), whole) if weighed else mean

        return loss

    def _mixing(self, noise: Noise) -> dict[str, Mixing]:
        return self.supernet.mixed() if noise is None else self.supernet.sampled(noise, self.temperature)


def _later(loss_of: _Losses, ask: Ask, noise: Noise) -> Loss:
    """The loss of an owner's batch, which is made only where a rule asks for it."""
    held: list[Loss] = []

    def loss() -> Tensor:
        if not held:
            held.append(loss_of(*ask(), noise))
        return held[0]()

    return loss


def _penalty(supernet: Supernet, weight: float) -> Loss | None:
    """What β pays; None where every topology is valid."""
    if supernet.shape.topology in ("fixed", "inputs"):
        return None

    def paid() -> Tensor:
        return weight * torch.stack([penalty(supernet.shape.cell, beta) for beta in supernet.betas()]).sum()

    return paid


class _Noises:
    """Gumbel numbers of an epoch, drawn on the host: one set for w's pass of a step, one for all passes of α."""

    def __init__(self, numbers: Tensor | None) -> None:
        self._numbers = numbers

    def __call__(self, step: int) -> tuple[Noise, Noise]:
        if self._numbers is None:
            return None, None
        own, others = (dict(zip(KINDS, kinds, strict=True)) for kinds in self._numbers[step])
        return own, others


def _noises(supernet: Supernet, setup: SearchSetup, stage: Stage, epoch: int, steps: int) -> _Noises:
    if setup.method.sampler == "mixed":
        return _Noises(None)
    alpha = supernet.alpha(KINDS[0])
    drawn = random_stream(stage, GUMBEL_NOISE, epoch).gumbel(size=(steps, 2, len(KINDS), *alpha.shape))
    return _Noises(torch.from_numpy(drawn).to(device=alpha.device, dtype=alpha.dtype))


def team_gradient(ranks: ProcessGroup) -> Gradient:
    """Gradients averaged over the process group's processes; alone, autograd's."""

    def gradient(loss: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
        return _averaged(plain_gradient(loss, parameters), ranks)

    return gradient


def _averaged(slopes: list[Tensor], ranks: ProcessGroup) -> list[Tensor]:
    if ranks.size == 1 or not slopes:
        return slopes
    flat = ranks.sum(torch.cat([slope.flatten() for slope in slopes])) / ranks.size
    parts = torch.split(flat, [slope.numel() for slope in slopes])
    return [part.view(slope.shape) for part, slope in zip(parts, slopes, strict=True)]


def check_equal(tensors: Sequence[Tensor], ranks: ProcessGroup) -> None:
    """Make sure that every process holds the same bits.

    Raises:
        RuntimeError: if not; the architectures would drift apart.
    """
    if ranks.size == 1:
        return
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
    bits = flat.view(torch.int32 if flat.element_size() == 4 else torch.int64).long() >> 8  # room for the sum
    low = flat.view(torch.int32 if flat.element_size() == 4 else torch.int64).long() & 255
    for mine in (bits, low):
        if not torch.equal(ranks.sum(mine.clone()), mine * ranks.size):
            raise RuntimeError("the processes' gradients of alpha and beta differ")
