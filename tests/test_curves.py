"""Curves over epochs: one svg element, its own ids, equal text for equal input, values that are missing."""

import math
import re
from xml.etree import ElementTree

import pytest

from zoo.figures import Curve, Curves, curves_svg


def panel(**changes):
    lines = [
        Curve(label="normal", x=[1, 2, 3], y=[0.9, math.nan, 0.4]),
        Curve(label="<reduction>", x=[1, 2, 3], y=[0.8, 0.7, 0.6]),
    ]
    return Curves(**({"title": "Entropy", "xlabel": "epoch", "ylabel": "share", "curves": lines} | changes))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_any_number_of_panels_is_one_element(count):
    text = curves_svg([panel()] * count, name="search", description="what & how", marked=2.0)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert root.attrib["aria-label"] == "what & how"
    assert text.count("Entropy") == count
    assert all(found.startswith("search-") for found in re.findall(r'\bid="([^"]+)"', text))


def test_equal_input_gives_equal_text_and_says_the_last_value():
    first, second = (curves_svg([panel(low=0.0, high=1.0)], name="a", description="d") for _ in range(2))
    assert first == second
    assert "normal: 0.4 at the end" in first
    assert "&lt;reduction&gt;: 0.6 at the end" in first


def test_a_curve_without_a_number_is_drawn_as_nothing():
    empty = panel(curves=[Curve(label="none", x=[1], y=[math.nan])])
    assert "<title>none</title>" in curves_svg([empty], name="a", description="d")


def test_an_axis_of_counts_has_no_halves():
    curves = [Curve(label="edges", x=[1, 2, 3], y=[1.0, 2.0, 2.0])]
    svg = curves_svg([panel(curves=curves)], name="c", description="d", narrow=True)
    assert not re.search(r">\d+\.\d+</text>", svg)
