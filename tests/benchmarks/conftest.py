"""A benchmark run as from its command line."""

import argparse
import importlib
import shlex
from collections.abc import Callable
from typing import Any

import pytest
import torch

Benchmark = Callable[..., dict[str, Any]]


@pytest.fixture
def benchmark() -> Benchmark:
    """What a benchmark of this name returns for options, as one line; the threads of this process are put back."""
    threads = torch.get_num_threads()

    def result(name: str, options: str = "") -> dict[str, Any]:
        module = importlib.import_module(f"benchmarks.{name}")
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        try:
            found: dict[str, Any] = module.run(parser.parse_args(shlex.split(options)))
        finally:
            torch.set_num_threads(threads)
        return found

    return result
