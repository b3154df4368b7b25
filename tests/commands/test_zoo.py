"""`zoo sample`, `zoo cost`: contracts for scripts."""

import json
from pathlib import Path

import pytest
import torch

from zoo.networks.cell_network import build_network
from zoo.spaces.cell_space import cell_space
from zoo.spaces.genotype import genotype_from_dict, genotype_from_json
from zoo.spaces.literature import PUBLISHED
from zoo.spaces.skeleton import Skeleton

CIFAR = ["--channels", "36", "--cells", "20", "--resolution", "32", "--json"]


def document(text: str):
    """Standard output as the one JSON document it must be."""
    assert text.endswith("\n")
    return json.loads(text)


@pytest.mark.parametrize(("name", "params"), [("DARTS_V2", 3_349_342), ("DARTS_V1", 3_169_414)])
def test_published_parameter_counts(thriftnas, name, params):
    answer = thriftnas("zoo", "cost", name, *CIFAR)
    assert (answer.code, answer.err) == (0, "")
    assert document(answer.out)["params"] == params


@pytest.mark.parametrize("name", ["DARTS_V1", "DARTS_V2", "PC_DARTS", "NASNET_A", "AMOEBANET_A"])
def test_cost_of_a_public_name_is_that_of_the_network_built(thriftnas, name):
    found = document(thriftnas("zoo", "cost", name, "--channels", 4, "--cells", 5, "--resolution", 16, "--json").out)
    assert list(found) == ["params", "macs"]
    network = build_network(PUBLISHED[name], Skeleton(channels=4, cells=5, resolution=16), torch.Generator())
    assert found["params"] == sum(parameter.numel() for parameter in network.parameters())
    assert found["macs"] > found["params"]


def test_cost_of_a_file_is_that_of_the_name(thriftnas, tmp_path):
    (tmp_path / "cell.json").write_text(PUBLISHED["NASNET_A"].to_json())
    assert thriftnas("zoo", "cost", "cell.json", *CIFAR) == thriftnas("zoo", "cost", "NASNET_A", *CIFAR)


def test_cost_in_imagenet_form(thriftnas):
    # its authors' code prints 4.718752 MB at 48 channels (Liu et al. 2019, 4.7 M in Table 3)
    form = [
        "--form",
        "imagenet",
        "--channels",
        "48",
        "--cells",
        "14",
        "--resolution",
        "224",
        "--classes",
        "1000",
        "--json",
    ]
    found = document(thriftnas("zoo", "cost", "DARTS_V2", *form).out)
    assert found["params"] == 4_718_752


def test_cost_at_a_setting_is_that_of_the_reduced_skeleton(thriftnas):
    reduced = thriftnas("zoo", "cost", "DARTS_V1", *CIFAR, "--setting", "c2r2s1e5")
    assert reduced.out == thriftnas("zoo", "cost", "DARTS_V1", "--channels", 18, "--resolution", 16, "--json").out


def test_cost_as_a_table_says_the_numbers(thriftnas):
    answer = thriftnas("zoo", "cost", "DARTS_V2")
    assert "3,349,342" in answer.out
    assert "32 px" in answer.out


@pytest.mark.parametrize("space", ["econas-zoo", "econas-search", "darts"])
def test_samples_depend_on_the_seed_only_and_differ(thriftnas, space):
    draw = ("zoo", "sample", "--space", space, "--models", 20)
    first, again, other = (thriftnas(*draw, "--seed", seed).out for seed in (5, 5, 6))
    assert first == again
    assert first != other
    genotypes = [genotype_from_json(line) for line in first.splitlines()]
    assert len({cell_space(space).function_key(genotype) for genotype in genotypes}) == 20
    assert all(cell_space(space).contains(genotype) for genotype in genotypes)


def test_a_longer_sample_begins_with_a_shorter_one(thriftnas):
    long, short = (thriftnas("zoo", "sample", "--models", count).out.splitlines() for count in (9, 4))
    assert long[:4] == short


def test_samples_as_json_are_one_document(thriftnas):
    listed = document(thriftnas("zoo", "sample", "--models", 3, "--json").out)
    lines = thriftnas("zoo", "sample", "--models", 3).out.splitlines()
    assert [genotype_from_dict(data).to_json() for data in listed] == lines


def test_sampled_files_are_read_by_cost(thriftnas):
    answer = thriftnas("zoo", "sample", "--models", 3, "--out", "drawn/here")
    assert (answer.code, answer.err) == (0, "")
    files = sorted(Path("drawn/here").iterdir())
    assert [file.name for file in files] == ["genotype-0000.json", "genotype-0001.json", "genotype-0002.json"]
    costs = {thriftnas("zoo", "cost", file, *CIFAR).out for file in files}
    assert len(costs) == 3
    assert all(document(text)["params"] > 0 for text in costs)
