"""What the paths of a step learn, against gradients written by hand."""

import pytest
import torch

from scarlet.supernet.lesson import Lesson
from scarlet.supernet.rules import RULES, SamplingRule

LABELS = torch.tensor([0, 2, 1, 1])


def logits(seed, scale=1.0):
    values = scale * torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return values.requires_grad_()


def towards(target, given):
    """The gradient of the mean cross-entropy with probabilities: (softmax - target) / B."""
    return (given.detach().softmax(dim=1) - target) / len(given)


def truth(smoothing=0.0):
    return torch.nn.functional.one_hot(LABELS, 3).double() * (1 - smoothing) + smoothing / 3


def gradient(loss, given):
    (found,) = torch.autograd.grad(loss, given)
    return found


def entropy(given):
    return -(truth() * given.detach().log_softmax(dim=1)).sum(dim=1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_every_path_of_a_fair_step_learns_the_labels(smoothing):
    lesson = Lesson(RULES["fair"], LABELS, smoothing)
    for seed in range(3):
        given = logits(seed)
        assert torch.allclose(gradient(lesson.loss(given), given), towards(truth(smoothing), given))


def test_a_sandwich_teaches_by_its_largest_path_without_moving_it():
    lesson = Lesson(RULES["sandwich"], LABELS, 0.1)
    teacher, learner = logits(0), logits(1)
    assert torch.allclose(gradient(lesson.loss(teacher), teacher), towards(truth(0.1), teacher))
    loss = lesson.loss(learner)
    moved = torch.autograd.grad(loss, [learner, teacher], allow_unused=True)
    assert torch.allclose(moved[0], towards(teacher.detach().softmax(dim=1), learner))
    assert moved[1] is None


def test_a_path_pays_for_being_worse_than_cheaper_ones_which_are_not_made_worse():
    rule = SamplingRule(name="ranked", words="", draw=RULES["fair"].draw, ranks=0.5)
    lesson = Lesson(rule, LABELS, 0.0)
    # Confident and wrong costs most: of the two cheaper paths the third is worse than one and better than the other.
    cheap = [logits(2, 0.1), logits(3, 9.0)]
    third = logits(4, 1.5)
    assert entropy(cheap[0]) < entropy(third) < entropy(cheap[1])
    for given in cheap:
        lesson.loss(given)
    loss = lesson.loss(third)
    assert loss.item() == pytest.approx((entropy(third) + 0.5 * (entropy(third) - entropy(cheap[0])) / 2).item())
    moved = torch.autograd.grad(loss, [third, *cheap], allow_unused=True)
    assert torch.allclose(moved[0], (1 + 0.5 / 2) * towards(truth(), third))
    assert moved[1:] == (None, None)


def test_the_teacher_is_compared_with_nobody():
    lesson = Lesson(RULES["sandwich-ranked"], LABELS, 0.0)
    teacher, smallest, third = logits(2, 0.1), logits(4, 1.5), logits(5, 9.0)
    lesson.loss(teacher)
    aim = teacher.detach().softmax(dim=1)
    assert torch.allclose(gradient(lesson.loss(smallest), smallest), towards(aim, smallest))
    worse = entropy(third) > entropy(smallest)
    assert worse
    found = gradient(lesson.loss(third), third)
    assert torch.allclose(found, towards(aim, third) + towards(truth(), third))


def test_what_is_reported_is_the_cross_entropy_with_the_labels():
    lesson = Lesson(RULES["sandwich-ranked"], LABELS, 0.0)
    given = [logits(seed) for seed in range(4)]
    for one in given:
        lesson.loss(one)
    assert lesson.entropies.item() == pytest.approx(sum(entropy(one).item() for one in given))
