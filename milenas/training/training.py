"""Training a supernet: w, α and β stepped in turn, a part of an epoch at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from milenas.supernet.config import KINDS
from milenas.supernet.supernet import Drawn, Mixing, Supernet
from milenas.supernet.topology import penalty
from milenas.training.batches import Batch, Feed
from milenas.training.rules import Update, owners, weights_first
from milenas.training.setup import Method, SearchSetup
from milenas.training.updates import Gradient, Loss, Problem, direction, plain_gradient
from zoo.population.steps import stepped
from zoo.purposes import GUMBEL_NOISE
from zoo.training import Recipe
from zoo.training.distributed import ProcessGroup
from zoo.training.epoch import Stage, random_stream
from zoo.training.graphs import Graphs
from zoo.training.trainer import Diverged, learning_rate, make_optimizer

Noise = dict[str, Tensor] | None
Chosen = tuple[dict[str, Tensor], Drawn] | None
"""Noise with what it draws at some α; None: every operation is computed."""


@dataclass(slots=True)
class Progress:
    """What an epoch has summed up so far, carried from part to part."""

    loss: float = 0.0
    images: int = 0


@dataclass(frozen=True, slots=True)
class Learners:
    """The supernet with its two optimizers, which share no parameter; ``w`` is what the first one steps.

    ``graphs`` holds the steps that are captured on a GPU.
    """

    supernet: Supernet
    w: list[nn.Parameter]
    weights: torch.optim.SGD
    architecture: torch.optim.Adam
    graphs: Graphs


def make_learners(supernet: Supernet, recipe: Recipe, method: Method, processes: int = 1) -> Learners:
    """SGD on w, Adam on α and β (He et al. 2020), for so many processes that step together."""
    w = supernet.weights()
    sgd = make_optimizer(_Part(w), recipe)
    for weight in w:  # fused SGD wants all momenta or none; drawn one by one, operations would get theirs in turn
        sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    logits = supernet.architecture()
    fused = True if logits[0].device.type == "cuda" else None  # which counts its steps where a graph can
    adam = torch.optim.Adam(logits, lr=method.lr, betas=method.moments, weight_decay=method.weight_decay, fused=fused)
    graphs = Graphs(logits[0].device, logits[0].dtype, why_eager(method, processes))
    return Learners(supernet, w, sgd, adam, graphs)


def why_eager(method: Method, processes: int) -> str:
    """What of a search cannot be captured, or nothing."""
    if method.sampler == "gumbel":
        return "the host launches the operations that were drawn, others in every step"
    return "several processes average their gradients" if processes > 1 else ""


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
        Diverged: naming the epoch, if w's loss, α or β are not finite.
    """
    supernet, method = learners.supernet, setup.method
    update, temperature = method.update_in(epoch), method.temperature(epoch, setup.epochs)
    wanted = owners(update, method.lam, setup.split)
    noises = _noises(supernet, setup, stage, epoch, len(feed))
    total = torch.zeros((), device=supernet.classifier.weight.device, dtype=setup.precision.storage)
    supernet.train()
    for step, asks in zip(steps, feed.part(steps), strict=True):
        rate = learning_rate(setup.recipe, epoch * len(feed) + step, setup.epochs * len(feed))
        batches = [ask() for ask in asks[:wanted]]
        wholes = [whole for *_, whole in batches]

        def work(
            inputs: Sequence[Tensor],
            rate: float | Tensor,
            wholes: Sequence[slice] = wholes,
            noise: tuple[Noise, Noise] = noises(step),
        ) -> Tensor:
            given = list(zip(inputs[::2], inputs[1::2], wholes, strict=True))
            return _step(learners, setup, update, _Losses(supernet, setup, temperature, ranks), given, noise, rate)

        tensors = [tensor for pixels, labels, _ in batches for tensor in (pixels, labels)]
        total += learners.graphs(update, tensors, rate, work) * len(tensors[1])
        progress.images += wholes[0].stop - wholes[0].start
        stepped(step + 1 - steps.start, len(steps))
    # one look at the device for both: no loss of w may come after α and β have left the numbers
    sound = torch.stack([one.isfinite().all() for one in supernet.architecture()]).all()
    progress.loss += float(torch.where(sound, ranks.sum(total), math.nan))
    if not math.isfinite(progress.loss):
        raise Diverged(f"diverged: w's training loss, α or β is not finite in epoch {epoch + 1}")


def _step(
    learners: Learners,
    setup: SearchSetup,
    update: Update,
    loss_of: "_Losses",
    batches: Sequence[Batch],
    noises: tuple[Noise, Noise],
    rate: float | Tensor,
) -> Tensor:
    """One step of w, and one of α and β before or after it; w's mean loss.

    Args:
        learners: stepped.
        setup: of the search.
        update: the rule.
        loss_of: makes losses.
        batches: of w, α and β, as far as the rule asks for them.
        noises: of w's pass, and of all others.
        rate: of w; a tensor where the step is captured.
    """
    supernet, (of_weights, *of_others), ranks = learners.supernet, batches, loss_of.ranks
    early = weights_first(update)
    own, others = loss_of.drawn(noises) if early else (None, *loss_of.drawn(noises[1:]))
    problem = Problem(
        weights=learners.w,
        alphas=supernet.alphas(),
        betas=supernet.betas(),
        train=loss_of(*of_weights, others),
        validation=loss_of(*(of_others[0] if of_others else of_weights), others),
        topology=loss_of(*of_others[1], others) if len(of_others) > 1 else None,
        penalty=_penalty(supernet, setup.method.penalty),
        gradient=team_gradient(ranks),
    )
    if not early:
        _step_architecture(learners, problem, setup, update, rate, ranks)
        (own,) = loss_of.drawn(noises[:1])  # of the α that has just moved
    ahead = loss_of(*of_weights, own, weighed=False)
    loss = _step_weights(learners, ahead, setup, rate, ranks, *of_weights[1:])
    if early:
        _step_architecture(learners, problem, setup, update, rate, ranks)
    return loss


def _step_weights(
    learners: Learners,
    loss_of: Loss,
    setup: SearchSetup,
    rate: float | Tensor,
    ranks: ProcessGroup,
    labels: Tensor,
    whole: slice,
) -> Tensor:
    """One step of w, its gradient clipped; returns this process's mean loss. α and β take no part."""
    weights = learners.w
    for group in learners.weights.param_groups:
        group["lr"] = rate.float() if isinstance(rate, Tensor) else rate  # as torch's fused SGD reads it
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
    learners: Learners,
    problem: Problem,
    setup: SearchSetup,
    update: Update,
    rate: float | Tensor,
    ranks: ProcessGroup,
) -> None:
    """One step of α and β, during which running statistics stay as they are."""
    supernet, lam = learners.supernet, setup.method.lam
    supernet.track(False)
    try:
        found = direction(update, problem, lam=lam, rate=rate)
    finally:
        supernet.track(True)
    check_equal(found, ranks)
    for parameter, slope in zip(supernet.architecture(), found, strict=True):
        parameter.grad = slope
    for group in learners.architecture.param_groups:  # torch asks for it in a capture, and warns of it elsewhere
        group["capturable"] = bool(group["fused"]) and isinstance(rate, Tensor)
    learners.architecture.step()


@dataclass(frozen=True, slots=True)
class _Losses:
    """Makes losses of batches: mean cross-entropy of the supernet as the search's sampler mixes it."""

    supernet: Supernet
    setup: SearchSetup
    temperature: float
    ranks: ProcessGroup

    def __call__(self, pixels: Tensor, labels: Tensor, whole: slice, chosen: Chosen, weighed: bool = True) -> Loss:
        def loss() -> Tensor:
            precision, mixing = self.setup.precision, self._mixing(chosen)  # mixed in full precision
            with precision.autocast():
                logits = self.supernet(precision.place(pixels), mixing)
                mean = functional.cross_entropy(logits, labels)
            return self.ranks.weigh(mean, len(labels), whole) if weighed else mean

        return loss

    def drawn(self, noises: Sequence[Noise]) -> list[Chosen]:
        """What passes compute by their noise at the current α: one look at the device for all of them."""
        known = [noise for noise in noises if noise is not None]
        if not known:
            return [None] * len(noises)
        return list(zip(known, self.supernet.drawn(known, self.temperature), strict=True))

    def _mixing(self, chosen: Chosen) -> dict[str, Mixing]:
        if chosen is None:
            return self.supernet.mixed()
        noise, drawn = chosen
        return self.supernet.sampled(noise, self.temperature, drawn)


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
