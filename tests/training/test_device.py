"""The device of a process: the GPU that is its own where torchrun has started several."""

import pytest

from zoo.training import Precision, device
from zoo.training.device import own_precision


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs, and this process the second of two."""
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device, "process_place", lambda: (1, 2, 1))


def test_a_journals_device_becomes_the_processs_own(gpus):
    written = Precision(device="cuda", dtype="bfloat16", channels_last=False)
    assert own_precision(written) == Precision(device="cuda:1", dtype="bfloat16", channels_last=False)
    assert own_precision(Precision(device="cuda:0")) == Precision(device="cuda:0")  # chosen already
    assert own_precision(Precision()) == Precision()


def test_a_device_that_is_not_here_is_one_line(monkeypatch):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda' is not available here"):
        own_precision(Precision(device="cuda"))
