"""The device of a process: the GPU that is its own where torchrun has started several."""

import ast
from pathlib import Path

import pytest
import torch

from tests.training.test_evaluator import IMAGES, setup
from zoo.training import Precision, TrainingEvaluator, device
from zoo.training.device import own_precision

ROOT = Path(__file__).parents[2]


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


def test_float32_is_never_tf32_and_bfloat16_adds_up_in_float32():
    """Torch's defaults differ between products and convolutions; what a dtype means must not rest on them."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    convolutions.allow_tf32 = products.allow_bf16_reduced_precision_reduction = True
    torch.set_float32_matmul_precision("high")
    TrainingEvaluator(setup(), IMAGES)
    assert not convolutions.allow_tf32
    assert not products.allow_bf16_reduced_precision_reduction
    assert not products.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


def test_whoever_sets_a_process_up_does_it_in_one_place():
    """Threads are set with the numbers' precision; scores change the threads for a while only."""
    found = [
        path.name
        for folder in ("zoo", "econas", "scarlet", "milenas", "thriftnas")
        for path in (ROOT / folder).rglob("*.py")
        if any(
            isinstance(node, ast.Attribute) and node.attr == "set_num_threads"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert sorted(found) == ["device.py", "measuring.py"]
