"""The skeleton: where reductions are, what every cell receives, which numbers are refused; and published cells."""

from typing import Any

import pytest

from zoo.spaces import DARTS, OPERATIONS, PUBLISHED, CellSpace, Skeleton


def test_the_default_is_the_original_setting() -> None:
    skeleton = Skeleton()
    assert (skeleton.channels, skeleton.cells, skeleton.resolution, skeleton.stem_multiplier) == (36, 20, 32, 3)
    assert (skeleton.form, skeleton.stem_channels, skeleton.reductions) == ("cifar", 108, (6, 13))


@pytest.mark.parametrize(
    ("cells", "reductions"),
    [(1, (0,)), (2, (0, 1)), (3, (1, 2)), (5, (1, 3)), (6, (2, 4)), (8, (2, 5)), (14, (4, 9)), (20, (6, 13))],
)
def test_reductions_are_at_one_and_two_thirds(cells: int, reductions: tuple[int, ...]) -> None:
    assert Skeleton(cells=cells).reductions == reductions


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"channels": 0}, "channels must be at least 1, got 0"),
        ({"cells": -1}, "cells must be at least 1, got -1"),
        ({"resolution": 0}, "resolution must be at least 1, got 0"),
        ({"resolution": 30}, "multiple of 4, got 30"),
        ({"form": "imagenet", "resolution": 48}, "multiple of 32, got 48"),
        ({"form": "imagenet", "channels": 1}, "at least 2, got 1"),
        ({"form": "mnist"}, "cifar, imagenet, got 'mnist'"),
        ({"classes": 0}, "classes must be at least 1"),
        ({"in_channels": 0}, "in_channels must be at least 1"),
        ({"stem_multiplier": 0}, "stem_multiplier must be at least 1"),
    ],
)
def test_wrong_numbers_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Skeleton(**wrong)


def test_the_plan_of_a_small_network_by_hand() -> None:
    """Five cells of DARTS_V2 (4 nodes concatenated) with 8 channels at 16 px; reductions at 1 and 3."""
    plan = list(Skeleton(channels=8, cells=5, resolution=16).plan(PUBLISHED["DARTS_V2"]))
    columns = [(p.before_previous, p.previous, p.channels, p.resolution, p.reduction, p.after_reduction) for p in plan]
    assert columns == [
        (24, 24, 8, 16, False, False),
        (24, 32, 16, 16, True, False),
        (32, 64, 16, 8, False, True),
        (64, 64, 32, 8, True, False),
        (64, 128, 32, 4, False, True),
    ]


def test_the_imagenet_plan_starts_after_three_halvings() -> None:
    first = next(Skeleton(channels=48, cells=14, resolution=224, form="imagenet").plan(PUBLISHED["DARTS_V2"]))
    assert (first.before_previous, first.previous, first.resolution, first.after_reduction) == (48, 48, 28, True)


def test_published_cells_are_those_of_the_papers() -> None:
    assert list(PUBLISHED) == ["DARTS_V1", "DARTS_V2", "PC_DARTS", "NASNET_A", "AMOEBANET_A"]
    assert all(DARTS.contains(PUBLISHED[name]) for name in ("DARTS_V1", "DARTS_V2", "PC_DARTS"))
    assert {name: len(g.normal.nodes) for name, g in PUBLISHED.items() if "DARTS" not in name} == {
        "NASNET_A": 5,
        "AMOEBANET_A": 5,
    }
    assert len({genotype.key for genotype in PUBLISHED.values()}) == 5


def test_every_operation_knows_its_kernel_and_whether_it_has_weights() -> None:
    for name, operation in OPERATIONS.items():
        assert operation.name == name
        assert operation.parametric == ("conv" in name)
        assert str(operation.kernel) in name or operation.kernel == 0
    used = {edge.op for g in PUBLISHED.values() for cell in (g.normal, g.reduction) for _, edge in cell.edges()}
    assert used <= set(OPERATIONS)
    assert isinstance(DARTS, CellSpace)
