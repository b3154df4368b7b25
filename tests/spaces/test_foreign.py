"""Cells as other toolkits write them are the cells that they mean; nothing of them is evaluated."""

import json

import pytest

from zoo.spaces.foreign import is_foreign
from zoo.spaces.literature import PUBLISHED
from zoo.spaces.named import read_genotype

DARTS = """Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5],
reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),
('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"""
LISTS = {
    "normal": [["sep_conv_3x3", 0], ["sep_conv_3x3", 1], ["sep_conv_3x3", 0], ["sep_conv_3x3", 1],
               ["sep_conv_3x3", 1], ["skip_connect", 0], ["skip_connect", 0], ["dil_conv_3x3", 2]],
    "normal_concat": [2, 3, 4, 5],
    "reduce": [["max_pool_3x3", 0], ["max_pool_3x3", 1], ["skip_connect", 2], ["max_pool_3x3", 1],
               ["max_pool_3x3", 0], ["skip_connect", 2], ["skip_connect", 2], ["max_pool_3x3", 1]],
    "reduce_concat": [2, 3, 4, 5],
}  # fmt: skip


def nni(wrap=lambda source: source, **changes):
    found = {"width": 36}
    for name in ("normal", "reduce"):
        for place, (op, source) in enumerate(LISTS[name]):
            node, edge = 2 + place // 2, place % 2
            found |= {f"{name}/op_{node}_{edge}": op, f"{name}/input_{node}_{edge}": wrap(source)}
    return json.dumps(found | changes)


@pytest.mark.parametrize(
    "text",
    [
        DARTS,
        f"DARTS_V2 = {DARTS}\n",
        DARTS.replace("[2, 3, 4, 5]", "range(2, 6)"),
        json.dumps(LISTS),
        nni(),
        nni(lambda source: [source]),
    ],
)
def test_the_same_cells_are_read_from_every_form(text, tmp_path):
    (tmp_path / "cells.json").write_text(text)
    assert read_genotype(str(tmp_path / "cells.json")) == PUBLISHED["DARTS_V2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DARTS.replace("reduce_concat", "other"), "expected one genotype like Genotype"),
        (DARTS + "\nprint(1)", "expected one genotype like Genotype"),
        (DARTS.replace("[2, 3, 4, 5]", "open('evil', 'w')"), "holds lists of names and numbers"),
        (DARTS.replace(", ('dil_conv_3x3', 2)", ""), "must list two edges a node"),
        (DARTS.replace("dil_conv_3x3", "conv_9x9"), "unknown operation 'conv_9x9'"),
        (nni(**{"normal/op_5_1": 3}), "must both be there"),
        (json.dumps({"normal/op_4_0": "skip_connect", "normal/input_4_0": 0}), "must count from 2"),
        ('{"cells": []}', "cells as DARTS or NNI write them"),
        ("Genotype(" + "(" * 500, "expected one genotype like Genotype"),
    ],
)
def test_what_cannot_be_read_names_the_file_and_the_right_form(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_genotype("cells.json")
    assert str(caught.value).startswith("cells.json: ")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.json"]  # nothing was evaluated


def test_own_genotypes_are_not_foreign():
    assert not is_foreign(PUBLISHED["DARTS_V2"].to_dict())
