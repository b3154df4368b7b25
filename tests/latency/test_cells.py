"""Latencies of cells: a table of blocks adds up to whole networks, is for one skeleton, and is read as written."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from zoo.latency import stopwatch as clock
from zoo.latency import table as tables
from zoo.latency.cell_blocks import CellBlocks
from zoo.latency.overview import table_sentences
from zoo.latency.stopwatch import Stopwatch
from zoo.latency.table import blocks_of_space, measure_table
from zoo.networks.cell_network import build_network
from zoo.population.cell_latency import CellLatency, blocks_of, read_cell_latency, space_blocks
from zoo.spaces.cell_space import CELL_SPACES, cell_space
from zoo.spaces.skeleton import Skeleton

SMALL = Skeleton(channels=4, cells=5, resolution=8, classes=3)
IMAGENET = Skeleton(channels=4, cells=4, resolution=64, classes=3, form="imagenet")
CALL = 1000
"""What a call costs by itself on the clock of these tests, in weights."""


@pytest.fixture
def counted(monkeypatch):
    """A clock on which a call takes a microsecond per weight of its module and a constant, however busy the machine."""

    def call(self, module, shape):
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape))  # it does take what it is given
        return lambda: CALL + sum(weight.numel() for weight in module.parameters())

    monkeypatch.setattr(Stopwatch, "call", call)
    monkeypatch.setattr(clock, "_seconds", lambda call, count: call() * 1e-6)


@pytest.mark.parametrize("skeleton", [SMALL, IMAGENET], ids=["cifar", "imagenet"])
@pytest.mark.parametrize("space", CELL_SPACES)
def test_blocks_are_those_of_the_built_network(space, skeleton):
    """Of random networks every block is among the space's, gives what the network has there, and all weights."""
    blocks = CellBlocks(space, skeleton)
    modules = {part.places[0]: part.module for part in blocks.parts()[1:]}
    rng = np.random.default_rng(0)
    for _ in range(3):
        genotype = cell_space(space).sample(rng)
        found = blocks_of(genotype, skeleton)
        assert set(found) <= set(modules)
        network = build_network(genotype, skeleton, torch.Generator().manual_seed(0))
        ours = sum(weight.numel() * n for block, n in found.items() for weight in modules[block].parameters())
        assert ours == sum(weight.numel() for weight in network.parameters())


def test_every_block_gets_the_sizes_that_it_says():
    """An additions' and a concatenation's maps, too: each part reads (inputs, pixels) and makes (channels, pixels)."""
    for part in CellBlocks("econas-search", SMALL).parts()[1:]:
        (block,) = part.places
        assert part.shape == (block.inputs, block.resolution, block.resolution)
        with torch.no_grad():
            made = part.module.eval()(torch.zeros(2, *part.shape))
        assert made.shape[1] == block.channels
        assert made.ndim == 2 or made.shape[2] == block.resolution // block.stride


def test_additions_are_counted_as_networks_make_them():
    """A node of two operations adds once; a none beside another operation is not built."""
    genotype = CELL_SPACES["darts"].sample(np.random.default_rng(0))
    assert sum(n for block, n in blocks_of(genotype, SMALL).items() if block.operation == "add") == 5 * 4
    space = cell_space("econas-search")
    for seed in range(5):
        genotype = space.sample(np.random.default_rng(seed))
        built = build_network(genotype, SMALL, torch.Generator().manual_seed(0))
        edges = sum(len(node) for cell in built.cells for node in cell.nodes)
        told = Counter({block.operation: 0 for block in space_blocks(space, SMALL)})
        for block, number in blocks_of(genotype, SMALL).items():
            told[block.operation] += number
        assert sum(told[name] for name in space.operations) == edges
        assert told["add"] == edges - 5 * space.nodes


def test_the_table_is_what_a_search_reads(counted, tmp_path, monkeypatch):
    """The call that computes nothing is paid once a network, and sums are exact on this clock."""
    monkeypatch.setattr(tables, "CALIBRATING", 2)
    found = measure_table(CellBlocks("econas-search", SMALL), Stopwatch(), 3, seed=0)
    skips = [block for block in found.milliseconds if (block.operation, block.stride) == ("skip_connect", 1)]
    assert {found.milliseconds[block] for block in skips} == {0.0}  # it hands on what it gets
    assert found.check.error < 1e-9
    assert found.scale == pytest.approx(1.0)
    found.write(tmp_path / "t.csv")
    header, *rows = (tmp_path / "t.csv").read_text().splitlines()
    assert header == "operation,inputs,channels,resolution,stride,cells,latency"
    assert {row.split(",")[0] for row in rows} >= {"none", "sep_conv_3x3", "stem", "preprocess", "add", "classifier"}
    read = read_cell_latency(tmp_path / "t.csv")
    assert CellLatency.from_dict(read.to_dict()) == read
    for seed in range(5):
        genotype = found.blocks.space.sample(np.random.default_rng(seed))
        assert read.of(genotype, SMALL) == pytest.approx(found.of(genotype))
        weights = sum(w.numel() for w in build_network(genotype, SMALL, torch.Generator()).parameters())
        assert read.of(genotype, SMALL) == pytest.approx((CALL + weights) * 1e-3)
    assert "thriftnas econas search --latency reads it" in table_sentences(found, tmp_path / "t.csv")[0]


@pytest.mark.slow  # writing a block as ONNX takes a second
@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_every_kind_of_block_and_a_network_can_be_timed(runtime):
    watch, kinds = Stopwatch(runtime=runtime), {}
    for space in CELL_SPACES:
        for part in CellBlocks(space, SMALL).parts()[1:]:
            kinds[part.places[0].operation, part.places[0].stride] = part
    for part in kinds.values():
        watch.call(part.module, part.shape)()
    genotype = cell_space("econas-search").sample(np.random.default_rng(0))
    watch.call(build_network(genotype, SMALL, torch.Generator().manual_seed(0)), (3, 8, 8))()


def table_of(space, skeleton):
    return CellLatency(skeleton.cells, dict.fromkeys(space_blocks(cell_space(space), skeleton), 1.0))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"channels": 8}, "no row for"),
        ({"cells": 6}, "its networks have 5 cells"),
        ({"resolution": 16}, "no row for"),
        ({"classes": 10}, "no row for classifier"),
    ],
)
def test_a_table_is_for_one_skeleton(other, why):
    space, table = cell_space("darts"), table_of("darts", SMALL)
    table.require(space, SMALL)
    wanted = Skeleton(**{"channels": 4, "cells": 5, "resolution": 8, "classes": 3} | other)
    with pytest.raises(ValueError, match=why) as error:
        table.require(space, wanted)
    assert "\n" not in str(error.value)
    name, value = next(iter(other.items()))
    assert f"--{name} {value}" in str(error.value)


def test_a_table_is_for_a_space_and_for_any_colours():
    with pytest.raises(ValueError, match="no row for"):
        table_of("darts", SMALL).require(cell_space("econas-zoo"), SMALL)
    grey = Skeleton(channels=4, cells=5, resolution=8, classes=3, in_channels=1)
    table = table_of("darts", SMALL)
    table.require(cell_space("darts"), grey)
    genotype = CELL_SPACES["darts"].sample(np.random.default_rng(0))
    assert table.of(genotype, grey) == table.of(genotype, SMALL)


ROW = "sep_conv_3x3,4,4,8,1,5,0.5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,choice,latency\n0,I,1\n", "lacks the column operation.*table for chains"),
        ("operation,inputs,channels,resolution,stride,latency\n", "lacks the column cells"),
        (f"{{header}}\n{ROW}{ROW}", "line 3 repeats sep_conv_3x3 of 4 to 4 channels"),
        ("{header}\nsep_conv_3x3,4,4,8,1,5,-1\n", "line 2 has no latency of 0 or more"),
        ("{header}\nsep_conv_3x3,4,4,8,1,5,\n", "line 2 has no latency of 0 or more"),
        ("{header}\nsep_conv_3x3,4,4.5,8,1,5,1\n", "line 2 needs whole numbers"),
        ("{header}\nsep_conv_3x3,4,,8,1,5,1\n", "line 2 needs whole numbers"),
        (f"{{header}}\n{ROW}add,4,4,8,1,6,1\n", r"one number of cells, got \[5, 6\]"),
        ("{header}\n", "one number of cells, got no rows"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path, text, message):
    header = "operation,inputs,channels,resolution,stride,cells,latency"
    (tmp_path / "t.csv").write_text(text.format(header=header))
    with pytest.raises(ValueError, match=message):
        read_cell_latency(tmp_path / "t.csv")


def test_a_space_that_cannot_be_timed_is_refused():
    with pytest.raises(ValueError, match=r"unknown space 'nas-bench-201'.*darts.*nas-bench-macro"):
        blocks_of_space("nas-bench-201")
    with pytest.raises(ValueError, match="leave out --cells"):
        blocks_of_space("nas-bench-macro", cells=5)
    assert blocks_of_space("darts", cells=6, channels=None).skeleton == Skeleton(cells=6)
    assert isinstance(CellBlocks("darts", SMALL).parts()[0].module, nn.Identity)
