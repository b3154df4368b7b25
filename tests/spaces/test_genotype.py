"""Genotypes as data: what goes out as JSON comes back, and whatever is wrong is named in one line."""

import copy
import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from zoo.spaces import CELL_SPACES, PUBLISHED, Cell, CellGenotype, Edge, genotype_from_dict, genotype_from_json
from zoo.spaces.genotype import SpaceGenotype

GENOTYPE = PUBLISHED["DARTS_V2"]


def random_genotypes(count: int) -> list[CellGenotype]:
    return [space.sample(np.random.default_rng(seed)) for space in CELL_SPACES.values() for seed in range(count)]


def test_json_round_trip_of_random_and_published_genotypes() -> None:
    for genotype in [*random_genotypes(200), *PUBLISHED.values()]:
        text = genotype.to_json()
        assert "\n" not in text
        back = genotype_from_json(text)
        assert back == genotype
        assert back.key == genotype.key
        assert genotype_from_dict(genotype.to_dict()) == genotype


def test_the_json_form_is_schema_1() -> None:
    """Written out, so that a change of the form is a change of this test and of the schema."""
    cell = Cell(((Edge("conv_3x3", 0),), (Edge("none", 1), Edge("skip_connect", 2))), (2, 3))
    form = {"nodes": [[["conv_3x3", 0]], [["none", 1], ["skip_connect", 2]]], "concat": [2, 3]}
    expected = {"schema": 1, "kind": "cell", "normal": form, "reduction": form}
    assert json.loads(CellGenotype(cell, cell).to_json()) == expected


def test_genotypes_are_frozen_and_hashable() -> None:
    genotype = random_genotypes(1)[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        genotype.normal = genotype.reduction  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        genotype.normal.nodes[0][0].op = "none"  # type: ignore[misc]
    assert len({genotype, copy.deepcopy(genotype)}) == 1


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """The JSON form of DARTS_V2 with one place changed."""
    data = copy.deepcopy(GENOTYPE.to_dict())
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return data


INVALID = {
    "unknown operation": (changed("normal", "nodes", 1, 0, 0, to="conv_9x9"), "normal cell.*node 3.*'conv_9x9'"),
    "cycle": (changed("reduction", "nodes", 1, 0, 1, to=4), "reduction cell.*node 3 reads node 4.*cycle"),
    "self loop": (changed("normal", "nodes", 0, 0, 1, to=2), "node 2 reads node 2.*cycle"),
    "missing node": (changed("normal", "nodes", 0, 0, 1, to=6), "node 2 reads node 6.*missing.*0 to 5"),
    "negative source": (changed("normal", "nodes", 0, 0, 1, to=-1), "node 2 reads node -1.*missing"),
    "no nodes": (changed("normal", "nodes", to=[]), "normal cell.*at least one intermediate node"),
    "node without inputs": (changed("normal", "nodes", 2, to=[]), "normal cell.*node 4 has no inputs"),
    "empty concat": (changed("reduction", "concat", to=[]), "reduction cell.*concat is empty"),
    "concat of an input": (changed("normal", "concat", to=[1, 2]), "concat names node 1.*2 to 5"),
    "concat of a missing node": (changed("normal", "concat", to=[2, 6]), "concat names node 6.*2 to 5"),
    "concat not ascending": (changed("normal", "concat", to=[3, 2]), "concat must ascend.*3, 2"),
    "concat repeats": (changed("normal", "concat", to=[2, 2]), "concat must ascend.*2, 2"),
    "other schema": (changed("schema", to=2), "schema 2 is not known, expected 1"),
    "schema is true": (changed("schema", to=True), "schema True is not known, expected 1"),
    "schema is 1.0": (changed("schema", to=1.0), "schema 1.0 is not known, expected 1"),
    "schema is text": (changed("schema", to="1"), "schema '1' is not known, expected 1"),
    "other kind": (changed("kind", to="tree"), "kind 'tree' is not known, expected 'cell', 'chain' or 'space'"),
    "surplus field": (changed("name", to="x"), "fields schema, kind, normal, reduction; got.*name"),
    "cell is a list": (changed("normal", to=[]), "normal cell must be an object"),
    "cell is null": (changed("reduction", to=None), "reduction cell must be an object"),
    "surplus cell field": (changed("normal", "x", to=1), "normal cell.*exactly 'nodes' and 'concat'"),
    "nodes is an object": (changed("normal", "nodes", to={}), "normal cell's nodes must be a list of lists"),
    "node is text": (changed("normal", "nodes", 0, to="ab"), "normal cell's nodes must be a list of lists"),
    "edge is text": (changed("normal", "nodes", 0, 0, to="ab"), "normal cell, node 2.*'ab'"),
    "edge of three": (changed("normal", "nodes", 0, 0, to=["none", 0, 1]), "normal cell, node 2"),
    "source is a bool": (changed("normal", "nodes", 0, 0, 1, to=True), "normal cell, node 2.*True"),
    "source is a float": (changed("normal", "nodes", 0, 0, 1, to=0.0), "normal cell, node 2.*0.0"),
    "operation is a number": (changed("normal", "nodes", 0, 0, 0, to=3), "normal cell, node 2.*3"),
    "operation is a list": (changed("normal", "nodes", 0, 0, 0, to=["none"]), "normal cell, node 2"),
    "concat is a number": (changed("normal", "concat", to=2), "normal cell's concat.*2"),
    "concat holds a bool": (changed("normal", "concat", to=[True, 2]), "normal cell's concat.*True"),
}


@pytest.mark.parametrize(("data", "message"), INVALID.values(), ids=INVALID.keys())
def test_invalid_data_is_named_in_one_line(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        genotype_from_json(json.dumps(data))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", ["schema", "kind", "normal", "reduction"])
def test_a_missing_field_is_a_value_error(field: str) -> None:
    data = GENOTYPE.to_dict()
    del data[field]
    with pytest.raises(ValueError, match=field):
        genotype_from_dict(data)


@pytest.mark.parametrize("text", ["", "{", "not json", "[1, 2", '{"schema": 1,}', "1" * 5000], ids=range(6))
def test_text_that_is_not_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="must be JSON") as error:
        genotype_from_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"cell"', "true"])
def test_json_that_is_no_object_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON object, got"):
        genotype_from_json(text)


@pytest.mark.parametrize("depth", [50, 900, 960, 990, 1000, 100_000])
def test_deep_nesting_is_a_short_value_error(depth: int) -> None:
    """Around the interpreter's recursion limit, too, and whether the parser or the validation meets it."""
    deep = "[" * depth + "]" * depth
    text = json.dumps(changed("normal", "nodes", 0, 0, to="HERE")).replace('"HERE"', deep)
    with pytest.raises(ValueError, match=r"JSON|normal cell, node 2") as error:
        genotype_from_json(text)
    assert len(str(error.value)) < 300


def test_a_huge_value_does_not_make_a_huge_message() -> None:
    operation, concat = ("normal", "nodes", 0, 0, 0), ("normal", "concat")
    for data in (changed(*operation, to="x" * 100_000), changed(*concat, to=["y"] * 100_000)):
        with pytest.raises(ValueError, match="normal cell") as error:
            genotype_from_dict(data)
        assert len(str(error.value)) < 600


def test_cells_are_validated_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="unknown operation 'conv'"):
        Cell(((Edge("conv", 0),),), (2,))
    with pytest.raises(ValueError, match="at least one intermediate node"):
        Cell((), ())


def test_loose_ends_are_the_nodes_nobody_reads() -> None:
    edges = lambda *sources: tuple(Edge("skip_connect", s) for s in sources)  # noqa: E731
    cell = Cell((edges(0, 1), edges(2, 2), edges(0, 3), edges(1, 1)), (2,))
    assert cell.loose_ends == (4, 5)
    assert [(node, edge.source) for node, edge in cell.edges()][:3] == [(2, 0), (2, 1), (3, 2)]


def test_a_supernet_is_a_space_and_its_options() -> None:
    genotype = SpaceGenotype("scarlet-s1", (("stabilizers", True), ("width", 0.5)))
    assert genotype_from_json(genotype.to_json()) == genotype
    assert genotype.key == genotype_from_json(genotype.to_json()).key != SpaceGenotype("scarlet-s1").key
    for options in ((("b", 1), ("a", 1)), (("a", 1), ("a", 1)), (("a", [1]),), (("a", float("nan")),)):
        with pytest.raises(ValueError, match="option"):
            SpaceGenotype("scarlet-s1", options)  # type: ignore[arg-type]
