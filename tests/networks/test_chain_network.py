"""Chain networks: costs against torch's counter, shapes, skips, published networks, model files, training."""

import json

import numpy as np
import pytest
import torch

from zoo.cli import main
from zoo.export import Model, load_model, save_model
from zoo.networks import build_any, build_chain, measured_cost, scarlet_a, scarlet_b, scarlet_c
from zoo.networks.inverted import InvertedBottleneck
from zoo.spaces import Skeleton
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import chain_cost, chain_skeleton
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.spaces.genotype import ChainGenotype

SMALL = Skeleton(channels=8, cells=1, resolution=16, classes=5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def chain(name, seed, skips=0.0):
    """A random chain, some of its layers made skips."""
    rng, space = np.random.default_rng(seed), CHAIN_SPACES[name]
    choices = np.where(rng.random(len(space.options)) < skips, CHAINS[name].skip, space.sample(rng).choices)
    return ChainGenotype(name, tuple(map(int, choices)))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("stabilizers", [False, True])
def test_built_networks_cost_what_the_tables_say(name, stabilizers):
    for seed, skips in enumerate((0.0, 0.3, 0.7, 1.0)):
        resolution, images = (16, 20)[seed // 2], 1 + 2 * (seed % 2)
        skeleton = Skeleton(channels=9, cells=1, resolution=resolution, classes=5, in_channels=images)
        genotype = chain(name, seed, skips)
        network = build_chain(genotype, skeleton, generator(), stabilizers=stabilizers)
        measured = measured_cost(network, skeleton.in_channels, skeleton.resolution)
        assert chain_cost(genotype, skeleton, stabilizers=stabilizers) == measured


@pytest.mark.parametrize(
    ("make", "macs", "params"),
    [(scarlet_a, 365_307_392, 6_707_720), (scarlet_b, 326_853_440, 6_531_556), (scarlet_c, 280_082_912, 6_073_684)],
)
def test_published_networks_have_their_size_and_classify(make, macs, params):
    network = make()
    price = chain_cost(network.genotype, network.skeleton)
    assert (price.macs, price.params) == (macs, params)
    assert sum(p.numel() for p in network.parameters()) == params
    assert make(1, classes=3, resolution=32).eval()(torch.randn(2, 3, 32, 32)).shape == (2, 3)


def test_a_counter_finds_scarlet_as_macs():
    assert measured_cost(scarlet_a(), 3, 224).macs == 365_307_392


def test_shortcuts_are_where_shapes_agree():
    """13 of the 19 layers keep stride and width; behind a skipped first layer the second has no shortcut."""
    choices = [0] * 19
    network = build_chain(ChainGenotype("scarlet-s1-cifar", tuple(choices)), SMALL, generator())
    assert sum(layer.shortcut for layer in network.layers) == 13
    choices[2] = CHAINS["scarlet-s1-cifar"].skip
    narrow = build_chain(ChainGenotype("scarlet-s1-cifar", tuple(choices)), SMALL, generator())
    assert [
        i for i in range(19) if getattr(network.layers[i], "shortcut", 0) != getattr(narrow.layers[i], "shortcut", 0)
    ] == [3]
    first = narrow.layers[3]
    assert isinstance(first, InvertedBottleneck)
    assert first.expand.weight.shape[:2] == (3 * 10, 8)  # hidden channels of the nominal 10, read from the 8 that come


def test_chains_of_one_function_are_one_network():
    """Where keys agree, the weights of one load into the other, in order, and it computes the same."""
    name = "scarlet-s2-cifar"
    skip = CHAINS[name].skip
    first = chain(name, 3)
    for places in ((3, 4), (2, 3), (11, 12, 13)):
        one, other = list(first.choices), list(first.choices)
        for place in places[1:]:
            one[place] = skip
        for place in places[1:]:
            other[place] = skip
        other[places[0]], other[places[-1]] = one[places[0]], one[places[-1]]
        if places[0] not in CHAINS[name].starts:
            other[places[0]], other[places[-1]] = one[places[-1]], one[places[0]]
        pair = [ChainGenotype(name, tuple(choices)) for choices in (one, other)]
        assert len({CHAIN_SPACES[name].function_key(genotype) for genotype in pair}) == 1
        networks = [build_chain(genotype, SMALL, generator(seed)).eval() for seed, genotype in enumerate(pair)]
        states = [network.state_dict() for network in networks]
        weights = dict(zip(states[1], states[0].values(), strict=True))
        networks[1].load_state_dict(weights)
        x = torch.randn(2, 3, 16, 16, generator=generator(5))
        assert torch.equal(networks[0](x), networks[1](x))


def test_path_dropout_takes_whole_blocks_with_a_shortcut():
    network = build_chain(chain("scarlet-s1-cifar", 0), SMALL, generator(), dtype=torch.float64).eval()
    x = torch.randn(6, 3, 16, 16, generator=generator(1), dtype=torch.float64)
    dropped = network(x, 0.5, generator(2))
    assert torch.equal(dropped, network(x, 0.5, generator(2)))
    assert not torch.equal(dropped, network(x))


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="not of the space 'scarlet-s1'"):
        build_any(ChainGenotype("scarlet-s1", (0,) * 18), SMALL, generator())
    with pytest.raises(ValueError, match="unknown chain space 'nas-bench-201'"):
        build_any(ChainGenotype("nas-bench-201", (0,) * 6), SMALL, generator())
    with pytest.raises(ValueError, match="no auxiliary head"):
        build_any(chain("scarlet-s1", 0), SMALL, generator(), auxiliary=True)
    with pytest.raises(ValueError, match="no auxiliary head"):
        build_any(chain("scarlet-s1", 0), SMALL, generator()).with_auxiliary(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize("stabilizers", [False, True])
def test_a_chain_survives_a_model_file(tmp_path, stabilizers):
    genotype = chain("scarlet-s2-cifar", 1, 0.4)
    network = build_chain(genotype, SMALL, generator(), stabilizers=stabilizers).eval()
    facts = {"classes": tuple("abcde"), "mean": (0.5,) * 3, "std": (0.2,) * 3, "notes": {"seed": 1}}
    save_model(Model(network=network, genotype=genotype, skeleton=SMALL, **facts), tmp_path / "model.pt")
    read = load_model(tmp_path / "model.pt")
    images = torch.tensor(np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16), dtype=np.uint8))
    model = Model(network=network, genotype=genotype, skeleton=SMALL, **facts)
    assert torch.equal(read.predict(images), model.predict(images))
    assert read.genotype == genotype


def test_chains_are_trained_on_the_command_line(tmp_path, capsys):
    file, out = tmp_path / "chain.json", tmp_path / "run"
    file.write_text(chain("nas-bench-macro", 2, 0.5).to_json())
    sizes = ["--data", "digits", "--train", "60", "--val", "40", "--batch", "20", "--epochs", "2", "--channels", "4"]
    assert main(["zoo", "train", str(file), *sizes, "--path-dropout", "0.2", "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    model = load_model(out / "model.pt")
    skeleton = model.skeleton
    assert (skeleton.channels, skeleton.cells) == (4, 8)
    assert summary["macs"] == chain_cost(model.genotype, skeleton).macs
    assert main(["zoo", "train", str(file), *sizes, "--auxiliary", "--out", str(tmp_path / "other")]) == 2
    assert main(["zoo", "cost", "SCARLET_A", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"params": 6_707_720, "macs": 365_307_392}
    assert chain_skeleton("scarlet-s2").classes == 1000
