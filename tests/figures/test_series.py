"""Series and axes in plain SVG: well-formed, complete, in their frame, and of bounded size whatever the numbers."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.figures import Level, Mark, Point, Series, series_svg
from zoo.figures.axes import COLOURS, LETTER, WIDE, apart, spread, ticks, written
from zoo.figures.series import DOTS

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<b a="1">&amp;</b>'
NUMBERS = st.floats(-1e6, 1e6) | st.just(math.nan)


def drawn(series, **changes):
    return series_svg(series, **({"xlabel": "x", "ylabel": "y", "description": "d"} | changes))


def circles(svg):
    """(x, y) of the dots; those of the legend have no title."""
    found = ET.fromstring(svg).iter(f"{SVG}circle")
    return [(float(one.get("cx")), float(one.get("cy"))) for one in found if one.find(f"{SVG}title") is not None]


def texts(svg):
    return ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]


def paths(svg, colour):
    return [one.get("d") for one in ET.fromstring(svg).iter(f"{SVG}path") if one.get("stroke") == colour]


def points(values, **changes):
    return [Point(label="", x=float(x), y=float(y), note=f"{x}", **changes) for x, y in enumerate(values)]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=80), st.sampled_from(["none", "straight", "best"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_the_numbers_every_dot_lies_in_the_frame(values, line, percent):
    known = [Point(label="", x=x, y=y, low=y, high=y, note="n") for x, y in sorted(values, key=str)]
    svg = drawn(
        [Series(label="a", points=known, line=line), Series(label="b", points=[])],
        shares="y" if percent else "",
        marks=[Mark(1, "m")],
    )
    found = circles(svg)
    assert len(found) == sum(math.isfinite(x) and math.isfinite(y) for x, y in values)
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups())
    assert width == WIDE
    assert all(66 <= x <= width - 20 and 40 <= y <= height - 48 for x, y in found)
    assert "nan" not in svg.lower()
    assert ("nothing to draw" in texts(svg)) == (not found)


@given(st.floats(-1e5, 1e5), st.floats(1e-4, 1e5), st.integers(3, 12))
@settings(deadline=None)
def test_ticks_are_few_round_and_inside(low, width, most):
    found = ticks(low, low + width, most)
    assert 1 <= len(found) <= most
    slack = 1e-9 * width + 1e-12 * abs(low)  # what rounding may add
    assert all(low - slack <= tick <= low + width + slack for tick in found)
    assert len(set(written(found, False))) == len(found)
    steps = [b - a for a, b in pairwise(found)]
    assert all(f"{step:.6e}"[0] in "125" and f"{step:.6e}"[1:8] == ".000000" for step in steps) or width < 1e-3 * abs(
        low
    )


def test_ticks_are_written_with_the_digits_that_tell_them_apart():
    assert written([0.1, 0.15, 0.2], True) == ["10 %", "15 %", "20 %"]
    assert written([0.1, 0.105, 0.11], True) == ["10.0 %", "10.5 %", "11.0 %"]
    assert written([-1.0, 0.0, 1.0], False) == ["−1", "0", "1"]
    assert written([10000.0, 20000.0], False) == ["10,000", "20,000"]


def test_the_best_so_far_never_falls_and_its_last_value_is_written():
    svg = drawn([Series(label="a", points=points([0.2, 0.5, 0.3, 0.4, 0.7, 0.1]), line="best")])
    (path,) = paths(svg, "#0072b2")
    corners = [tuple(map(float, part.split())) for part in path.removeprefix("M").split("L")]
    assert [a[0] <= b[0] and a[1] >= b[1] for a, b in pairwise(corners)] == [True] * (len(corners) - 1)
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))
    assert "70.0 %" in texts(svg)
    assert corners[-1][0] == max(x for x, _ in circles(svg))


def test_labels_of_lines_that_end_together_do_not_meet():
    ends = [0.5, 0.501, 0.502, 0.9]
    svg = drawn([Series(label=f"{i}", points=points([0.1, end]), line="straight") for i, end in enumerate(ends)])
    written_at = [float(one.get("y")) for one in ET.fromstring(svg).iter(f"{SVG}text") if one.get("paint-order")]
    assert len(written_at) == 4
    assert all(b - a >= 12.9 for a, b in pairwise(sorted(written_at)))


def test_thousands_of_dots_are_thinned_but_no_improvement_is_lost():
    rng = np.random.default_rng(0)
    values = rng.random(40_000)
    svg = drawn([Series(label="a", points=points(values), line="best")])
    found = circles(svg)
    assert DOTS * 0.9 < len(found) < DOTS * 1.1
    assert len(svg) < 500_000
    titles = {int(one.text) for one in ET.fromstring(svg).iter(f"{SVG}title")}
    before = np.concatenate([[-1.0], np.maximum.accumulate(values)[:-1]])
    assert set(np.flatnonzero(values > before).tolist()) <= titles


def test_a_few_low_outliers_do_not_flatten_the_rest():
    values = np.concatenate([np.linspace(0.7, 0.8, 99), [0.1]])
    svg = drawn([Series(label="a", points=points(values))])
    heights = [y for _, y in circles(svg)]
    assert max(heights) == pytest.approx(420 - 48)  # on the lower edge
    assert max(heights[:-1]) - min(heights) > 250


def test_intervals_levels_and_marks_are_drawn_and_named():
    series = [Series(label="rho", points=points([0.5], low=0.2, high=0.7))]
    svg = drawn(series, shares="", levels=[Level(label="limit 0.3", value=0.3)], marks=[Mark(0, "raised")])
    assert {"limit 0.3", "raised", "rho", "x", "y"} <= set(texts(svg))
    assert drawn(series, levels=[Level(label="none", value=math.nan)]).count("none") == drawn(series).count("none")


def test_text_is_escaped():
    one = Point(label="", x=0, y=0, note=EVIL)
    svg = drawn([Series(label=EVIL, points=[one])], xlabel=EVIL, ylabel=EVIL, description=EVIL, marks=[Mark(0, EVIL)],
                levels=[Level(label=EVIL, value=0)])  # fmt: skip
    assert "<b" not in svg
    assert texts(svg).count(EVIL) == 5


@given(st.lists(st.floats(0, 100), max_size=30))
def test_labels_keep_their_distance_and_their_order(heights):
    placed = apart(heights, 13)
    order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    assert all(placed[b] - placed[a] >= 13 - 1e-9 for a, b in pairwise(order))
    assert all(after >= before for before, after in zip(heights, placed, strict=True))


def test_a_range_is_never_empty():
    for values in ([], [math.nan], [3.0], [0.0], [1.0, 2.0]):
        low, high = spread(values)
        assert low < high


def test_the_title_of_an_axis_is_never_longer_than_the_card():
    long = "minus training loss, summed over the last half of the epochs, P1"
    svg = drawn([Series(label="", points=points([0.1, 0.2]))], xlabel=long, ylabel=long, size=(360.0, 320.0))
    lines = [text for text in texts(svg) if text in long and len(text) > 9]
    assert " ".join(lines[:2]) == " ".join(lines[2:]) == long
    assert max(map(len, lines)) * LETTER < 320


def test_an_axis_of_epochs_has_no_halves():
    shown = texts(drawn([Series(label="", points=points([0.1, 0.2, 0.3, 0.2]))], shares=""))
    assert {"1", "2"} <= set(shown)
    assert "0.5" not in shown


def test_equal_lines_take_turns_in_dashes_and_others_have_none():
    equal = [Series(label=name, points=points([1, 3, 2]), line="best") for name in "abc"]
    svg = drawn([*equal, Series(label="d", points=points([1, 2, 4]), line="best")])
    lines = [one for one in ET.fromstring(svg).iter(f"{SVG}path") if one.get("stroke") in COLOURS[:4]]
    assert [one.get("stroke-dasharray") for one in lines] == ["10 20"] * 3 + [None]
    assert [one.get("stroke-dashoffset") for one in lines] == ["0", "-10", "-20", None]
    assert svg.count('stroke="#ffffff" stroke-width="5"') == 2  # a halo over a dash would hide it
