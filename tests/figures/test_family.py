"""Families and flows: every member and stage is there, linked and in proportion, whatever the numbers."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from zoo.figures import Member, Stage, family_svg, flow_svg
from zoo.figures.axes import ACCENT
from zoo.figures.family import BACKGROUND

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<b a="1">&amp;</b>'


def members(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Member(x=i, y=float(rng.random()), parent=None if i < 3 else int(rng.integers(i)), note=f"n{i}")
        for i in range(count)
    ]


def drawn(family, line, **changes):
    return family_svg(family, line, **({"xlabel": "x", "ylabel": "y", "description": "d"} | changes))


def lineage(family):
    line = [len(family) - 1]
    while (parent := family[line[-1]].parent) is not None:
        line.append(parent)
    return line[::-1]


def test_everyone_is_drawn_and_linked_and_the_lineage_is_numbered():
    family = members(60)
    line = lineage(family)
    root = ET.fromstring(drawn(family, line))
    titles = [one.text for one in root.iter(f"{SVG}title")]
    assert titles == [one.note for one in family] + [f"{k}: {family[i].note}" for k, i in enumerate(line, start=1)]
    links = [len(group) for group in root.iter(f"{SVG}g")]
    assert links == [57, len(line) - 1]
    bold = [one.text for one in root.iter(f"{SVG}text") if one.get("font-weight") == "bold"]
    assert bold == [str(k + 1) for k in range(len(line))]
    assert root.findall(f".//{SVG}g[@stroke='{ACCENT}']")


def test_a_link_leads_from_the_parent_to_the_child():
    family = [Member(x=0, y=0.2, parent=None, note="a"), Member(x=1, y=0.8, parent=0, note="b")]
    root = ET.fromstring(drawn(family, [0, 1]))
    spots = [(one.get("cx"), one.get("cy")) for one in root.iter(f"{SVG}circle")]
    path = root.find(f"{SVG}g/{SVG}path").get("d").replace("M", "").replace("C", " ").split()
    assert [(path[0], path[1]), (path[-2], path[-1])] == spots[:2]


def test_the_failed_are_not_drawn_and_break_nothing():
    family = [*members(5), Member(x=5, y=math.nan, parent=2, note="failed"), Member(x=6, y=0.5, parent=5, note="child")]
    svg = drawn(family, [2, 5, 6])
    assert "nan" not in svg
    assert "failed" not in svg
    assert drawn([], [])
    assert drawn([Member(x=0, y=math.nan, parent=None, note="")], [0])


def test_a_large_family_is_thinned_but_its_lineage_is_whole():
    family = members(10_000)
    line = lineage(family)
    root = ET.fromstring(drawn(family, line))
    titles = [one.text for one in root.iter(f"{SVG}title")]
    assert len(titles) <= BACKGROUND + len(line)
    assert titles[-len(line) :] == [f"{k}: {family[i].note}" for k, i in enumerate(line, start=1)]


def test_bars_of_a_flow_are_in_proportion_and_none_vanishes():
    stages = [Stage("P20", 1600, "a", 0), Stage("P40", 800, "b", 1), Stage("winner", 1, "c", 2)]
    root = ET.fromstring(flow_svg(stages, "d"))
    tall = [float(one.get("height")) for one in root.iter(f"{SVG}rect")][1:]  # without the card
    assert tall[0] == pytest.approx(2 * tall[1])
    assert tall[2] > 1
    words = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert {"1,600", "800", "1", "P20", "P40", "winner", "50 %", "0.125 %"} <= set(words)
    middles = {round(float(o.get("y")) + float(o.get("height")) / 2, 3) for o in list(root.iter(f"{SVG}rect"))[1:]}
    assert len(middles) == 1


@pytest.mark.parametrize("counts", [[], [0], [0, 0], [5], [1, 2, 3, 4, 5, 6, 7, 8]])
def test_odd_flows_are_drawn_too(counts):
    ET.fromstring(flow_svg([Stage(EVIL, count, EVIL, i) for i, count in enumerate(counts)], EVIL))


def test_families_escape_their_text():
    svg = drawn([Member(x=0, y=0.5, parent=None, note=EVIL)], [0], xlabel=EVIL, ylabel=EVIL, description=EVIL)
    assert "<b" not in svg
