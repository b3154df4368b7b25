"""Where filters lie in another order in memory than torch's usual one: on images of several channels, channels-last."""

import io

import torch

from milenas.training.training import _laid_out
from zoo.spaces import Skeleton
from zoo.training import Precision, Recipe


def state(data):
    return torch.load(io.BytesIO(data), weights_only=True)


COLOURED = Skeleton(channels=2, cells=3, resolution=8, in_channels=3, classes=2)


def test_finer_checkpoints_change_nothing_on_colour_images(run, setup, images, tmp_path):
    """The stem's filters have three channels: in channels-last memory they and their momenta lie in another order."""
    found = []
    for every in (None, 1):
        one = setup(every=every, skeleton=COLOURED, final=COLOURED)
        found.append(state(run(one, tmp_path / str(every), images=images(channels=3)).weights()))
    assert all(torch.equal(tensor, found[1]["supernet"][name]) for name, tensor in found[0]["supernet"].items())
    assert all(map(torch.equal, found[0]["momentum"], found[1]["momentum"]))


def test_the_memory_format_changes_rounding_alone(run, setup, images, tmp_path):
    """Fused SGD goes through memory: a gradient in other strides than its weight would step other filters."""
    found = []
    for last in (False, True):
        one = setup(
            skeleton=COLOURED, final=COLOURED, precision=Precision(dtype="float64", channels_last=last), lr=0.0,
            recipe=Recipe(batch=8, cutout=0.0, lr=1e-3, lr_min=1e-3),
        )  # fmt: skip
        found.append(state(run(one, tmp_path / str(last), images=images(channels=3)).weights())["supernet"])
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, rtol=1e-6, atol=1e-8, msg=name)


def test_gradients_are_laid_out_as_their_weights(setup):
    """Those that a process group has averaged come out of one flat tensor, so in torch's usual order."""
    weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last))
    flat = torch.randn(4, 3, 3, 3)
    slope = _laid_out(flat, weight)
    assert slope.stride() == weight.stride()
    assert torch.equal(slope, flat)
    assert _laid_out(slope, weight) is slope
