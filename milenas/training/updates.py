"""Update rules: the directions in which α and β go, as functions of losses; whoever calls takes the step.

In all of them w is the supernet's weights, L_tr the loss on a training batch, L_val that on a validation batch. The
papers write α for everything that is not w; here that is α and β.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from milenas.training.rules import Update, second_order, shares

Loss = Callable[[], Tensor]
"""A mean loss at the current w, α and β, computed anew at every call."""

Gradient = Callable[[Tensor, Sequence[Tensor]], list[Tensor]]
"""(loss, parameters) to the loss's gradients, zeros where it does not depend on one."""

EPSILON = 0.01
"""Radius of the finite differences times the gradient's norm (Liu et al. 2019)."""


def plain_gradient(loss: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Autograd's gradients."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What one step of α and β is about.

    Attributes:
        weights: w.
        alphas: logits of operations.
        betas: logits of topologies; empty where it is fixed.
        train: L_tr.
        validation: L_val, for α, and for β where it has no batch of its own.
        topology: L_val on the batch of β; None where it shares that of α.
        penalty: what β pays for invalid topologies, already weighted; None for nothing.
        gradient: how gradients are taken, in a process group also averaged.
    """

    weights: Sequence[Tensor]
    alphas: Sequence[Tensor]
    betas: Sequence[Tensor]
    train: Loss
    validation: Loss
    topology: Loss | None = None
    penalty: Loss | None = None
    gradient: Gradient = plain_gradient

    @property
    def architecture(self) -> list[Tensor]:
        """α, then β: the order of every direction."""
        return [*self.alphas, *self.betas]


def direction(
    update: Update, problem: Problem, *, lam: float, rate: float | Tensor, epsilon: float = EPSILON
) -> list[Tensor]:
    """What the optimizer of α and β descends in one step; w is left as it was, bit for bit.

    Args:
        update: the rule.
        problem: losses and parameters.
        lam: λ of MiLeNAS, see :func:`milenas.training.rules.shares`.
        rate: ξ, the current learning rate of w, as a tensor in a captured step; first order does not use it.
        epsilon: of the finite differences.
    """
    train, validation = shares(update, lam)
    if second_order(update):
        found = unrolled(problem, train, validation, rate=rate, epsilon=epsilon)
    else:
        found = first_order(problem, train, validation)
    if problem.penalty is not None and problem.betas:  # Eq. 15, Huang 2020; the same in every process
        paid = plain_gradient(problem.penalty(), problem.betas)
        found = [*found[: len(problem.alphas)], *map(torch.add, found[len(problem.alphas) :], paid)]
    return found


def first_order(problem: Problem, train: float, validation: float) -> list[Tensor]:
    """train · ∇L_tr + validation · ∇L_val at the current w; a term with weight 0 is not computed.

    (1, λ) is MiLeNAS first order (He et al. 2020; Eq. 18, Huang 2020), (1, 0) single level, (0, 1) DARTS first order
    (Eq. 17, Huang 2020).
    """
    total = [torch.zeros_like(parameter) for parameter in problem.architecture]
    with _constant(problem.weights):
        if train:
            _add(total, problem.gradient(problem.train(), problem.architecture), train)
        if validation and problem.topology is None:
            _add(total, problem.gradient(problem.validation(), problem.architecture), validation)
        elif validation and problem.topology is not None:
            own = problem.gradient(problem.validation(), problem.alphas)
            _add(total, [*own, *problem.gradient(problem.topology(), problem.betas)], validation)
    return total


def unrolled(
    problem: Problem,
    train: float,
    validation: float,
    *,
    rate: float | Tensor,
    epsilon: float = EPSILON,
) -> list[Tensor]:
    """∇ of train · L_tr(w', α) + validation · L_val(w', α) with w' = w − ξ ∇_w L_tr(w, α), by finite differences.

    For each loss F: ∇_α F(w', α) − ξ (∇_α L_tr(w+, α) − ∇_α L_tr(w−, α)) / 2ε with w± = w ± ε ∇_w' F(w', α) and
    ε = ``epsilon`` / ‖∇_w' F‖. (0, 1) is DARTS second order (Eq. 7 and 8, Liu et al. 2019), (λ, 1) MiLeNAS
    second order (He et al. 2020). w' is the plain step: no momentum, no decay. An error of order ε² remains.

    Raises:
        ValueError: if β has a batch of its own, which neither paper extends to second order.
    """
    if problem.topology is not None:
        raise ValueError("a batch of its own for β is for first-order updates")
    weights, architecture = list(problem.weights), problem.architecture
    originals = [weight.detach().clone() for weight in weights]
    total = [torch.zeros_like(parameter) for parameter in architecture]
    try:
        step = problem.gradient(problem.train(), weights)
        _place(weights, originals, step, -rate)
        ahead = []
        for share, loss in ((validation, problem.validation), (train, problem.train)):
            if share:
                both = problem.gradient(loss(), [*architecture, *weights])
                _add(total, both[: len(architecture)], share)
                ahead.append((share, both[len(architecture) :]))
        for share, outer in ahead:
            norm = _at_hand(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(outer))))
            if isinstance(norm, Tensor):  # where F does not depend on w' nothing moves, and nothing is added
                radius: float | Tensor = torch.where(norm == 0, 0.0, epsilon / norm)
                span: float | Tensor = torch.where(norm == 0, math.inf, 2 * radius)
            elif norm == 0:
                continue
            else:
                radius = epsilon / norm
                span = 2 * radius or math.nan  # an infinite norm: no direction, as the tensors above have none
            for sign in (1, -1):
                _place(weights, originals, outer, sign * radius)
                with _constant(weights):
                    slopes = problem.gradient(problem.train(), architecture)
                _add(total, slopes, -sign * share * rate / span)
    finally:
        _place(weights, originals)
    return total


@contextmanager
def _constant(weights: Sequence[Tensor]) -> Iterator[None]:
    """Losses made here do not know w as a variable: nothing is kept or computed for its gradient."""
    variables = [weight for weight in weights if weight.requires_grad]
    for weight in variables:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in variables:
            weight.requires_grad_(True)


def _at_hand(number: Tensor) -> float | Tensor:
    """A number of some device; of a GPU as a tensor, because the host would wait for it."""
    return number.double() if number.device.type == "cuda" else float(number)


@torch.no_grad()
def _place(
    weights: Sequence[Tensor], originals: Sequence[Tensor], along: Sequence[Tensor] = (), by: float | Tensor = 0.0
) -> None:
    """Put w at its original place, or at some distance from it."""
    torch._foreach_copy_(list(weights), list(originals))
    if along:
        _add(list(weights), along, by)


def _add(total: list[Tensor], terms: Sequence[Tensor], share: float | Tensor) -> None:
    if isinstance(share, Tensor):
        torch._foreach_add_(total, torch._foreach_mul(list(terms), share.to(terms[0].dtype)))
    else:
        torch._foreach_add_(total, list(terms), alpha=share)
