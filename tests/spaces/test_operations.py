"""The row of an operation has everything, and an installed package can add one."""

import re

import pytest

from tests import added_operation
from tests.added_operation import NAME
from zoo.figures.drawing import cell_svg
from zoo.networks.operations import BUILDERS, build_operation
from zoo.spaces import OPERATIONS, Cell, CellGenotype, Cost, Edge, Operation, Skeleton, cost, genotype_from_json
from zoo.spaces.cost import cost_table
from zoo.spaces.operations import BUILT_IN, known, names


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    added_operation.install(monkeypatch)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_row_has_a_cost_a_builder_and_a_tint(name: str) -> None:
    row = OPERATIONS[name]
    assert row.price is not None
    assert row.build is not None or row.kind in BUILDERS
    assert re.fullmatch("#[0-9a-f]{6}", row.tint)
    assert build_operation(row, 4, 2) is not None


def test_no_builder_is_without_an_operation() -> None:
    assert set(BUILDERS) == {OPERATIONS[name].kind for name in BUILT_IN}


def test_an_operation_without_a_cost_is_refused_and_not_free() -> None:
    with pytest.raises(ValueError, match="the operation 'gift' has no cost rule"):
        Operation(name="gift").cost(4, 8, 1)
    with pytest.raises(ValueError, match="the operation 'gift' has no builder"):
        build_operation(Operation(name="gift"), 4, 1)


def test_an_operation_that_nobody_adds_is_unknown() -> None:
    assert not known(NAME)
    with pytest.raises(ValueError, match=f"node 2: unknown operation .*{NAME}.*expected one of none, skip_connect"):
        Cell(((Edge(NAME, 0),),), (2,))
    with pytest.raises(ValueError, match="unknown operation"):
        OPERATIONS[NAME]


@pytest.mark.usefixtures("added")
def test_an_added_operation_is_costed_drawn_and_written_like_any_other() -> None:
    cell = Cell(((Edge(NAME, 0), Edge("conv_1x1", 1)),), (2,))
    genotype, skeleton = CellGenotype(cell, cell), Skeleton(channels=4, cells=3, resolution=8)
    assert genotype_from_json(genotype.to_json()) == genotype
    assert NAME in names()
    without = Cell(((Edge("none", 0), Edge("conv_1x1", 1)),), (2,))
    both = cost(genotype, skeleton), cost(CellGenotype(without, without), skeleton)
    extra = [added_operation.price(4, 8, 1), added_operation.price(8, 8, 2), added_operation.price(16, 4, 2)]
    assert both[0] == both[1] + sum(extra, Cost(0, 0))
    assert "#d6f5e3" in cell_svg(cell, "added")
    assert "shuffle_conv_3x3" in cell_svg(cell, "added")
    with pytest.raises(ValueError, match=f"have numbers here, got '{NAME}'"):
        cost_table(skeleton).encode([genotype])


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("free", "'free' of tests.added_operation:FREE has no cost rule"),
        ("unbuilt", "has no builder"),
        ("colourless", "has no tint"),
        ("misnamed", "must have this name and the kind 'other', got 'other_name'"),
        ("number", "must be an Operation, got int"),
        ("absent", "cannot be loaded: .*ABSENT"),
    ],
)
def test_a_row_that_lacks_something_is_refused_by_name(name: str, said: str) -> None:
    cell = Cell(((Edge(name, 0),),), (2,))
    with pytest.raises(ValueError, match=said):
        cost(CellGenotype(cell, cell), Skeleton(channels=4, cells=3, resolution=8))


@pytest.mark.usefixtures("added")
def test_a_builder_that_cannot_be_imported_and_weights_that_cannot_be_filled_are_refused() -> None:
    with pytest.raises(ValueError, match=r"builder 'tests\.nowhere:build' of the operation 'elsewhere'"):
        build_operation(OPERATIONS["elsewhere"], 4, 1)
    with pytest.raises(ValueError, match=r"weights of the operation 'boxed' must be .*, got LayerNorm"):
        build_operation(OPERATIONS["boxed"], 4, 1)
    assert build_operation(OPERATIONS["direct"], 4, 1) is not None
