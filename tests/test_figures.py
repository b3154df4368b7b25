"""Figures: well-formed, reproducible, complete SVG whatever the numbers; drawings in which nothing overlaps."""

import math
import re
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from zoo.figures import Level, Panel, Point, Trace, acceleration_svg, cell_svg, factor_svg, scatter_svg
from zoo.figures.canvas import figure
from zoo.figures.layout import BLOCK, OPERATION_HEIGHT, OPERATION_WIDTH, layout
from zoo.figures.places import multiples
from zoo.spaces import CELL_SPACES, OPERATIONS, PUBLISHED
from zoo.spaces.genotype import INPUTS, Cell, Edge

SVG = "{http://www.w3.org/2000/svg}"
NAN = math.nan


def random_cell(rng: np.random.Generator, nodes: int, most: int) -> Cell:
    """A cell of `nodes` nodes with 1 to `most` edges each, over all operations."""
    names = list(OPERATIONS)
    edges = tuple(
        tuple(
            Edge(names[rng.integers(len(names))], int(rng.integers(INPUTS + node)))
            for _ in range(rng.integers(1, most + 1))
        )
        for node in range(nodes)
    )
    return Cell(edges, Cell(edges, (INPUTS,)).loose_ends)


def cells() -> list[Cell]:
    rng = np.random.default_rng(0)
    drawn = [random_cell(rng, nodes, most) for nodes in range(1, 8) for most in (1, 2, 5) for _ in range(3)]
    drawn += [space.sample(rng).normal for space in CELL_SPACES.values() for _ in range(5)]
    drawn += [cell for g in PUBLISHED.values() for cell in (g.normal, g.reduction)]
    every = tuple(tuple(Edge("conv_1x7_7x1", s) for s in range(INPUTS + i)) for i in range(7))
    return [*drawn, Cell(every, tuple(range(2, 9)))]


def texts(svg: str) -> list[str]:
    """The text elements, spaces collapsed."""
    return [" ".join("".join(e.itertext()).split()) for e in ET.fromstring(svg).iter(f"{SVG}text")]


def tradeoff(points: list[Point], **changes: object) -> str:
    settings: dict[str, object] = {
        "name": "a",
        "description": "d",
        "marked": None,
        "target": 0.8,
        "ceiling": Level(label="ceiling", value=0.9, low=0.7, high=0.97),
    }
    return acceleration_svg(points, **(settings | changes))  # type: ignore[arg-type]


POINTS = [Point(label=f"s{i}", x=2.0**i, y=0.9 - 0.1 * i, low=0.5 - 0.1 * i, high=0.95) for i in range(6)]


def test_nothing_in_a_drawn_cell_overlaps_or_is_crossed_by_a_lane() -> None:
    for cell in cells():
        plan = layout(cell)
        boxes = [(*spot, node) for node, spots in plan.operations.items() for spot in spots]
        for (x0, y0, _), (x1, y1, _) in combinations(boxes, 2):
            assert x0 != x1 or abs(y0 - y1) >= OPERATION_HEIGHT
        for wire in plan.wires:
            if wire.through:  # it runs straight through a column at the height where it enters
                x, y = wire.stop
                assert all(bx != x or abs(by - y) > OPERATION_HEIGHT / 2 for bx, by, _ in boxes)
        for x, y, _ in boxes:
            assert 0 <= x <= plan.width - OPERATION_WIDTH
            assert OPERATION_HEIGHT / 2 - 1e-6 <= y <= plan.height - OPERATION_HEIGHT / 2 + 1e-6


def test_every_edge_of_a_cell_arrives_from_its_source_left_to_right() -> None:
    for cell in cells():
        plan = layout(cell)
        for node, edges in enumerate(cell.nodes, start=INPUTS):
            for edge, spot in zip(edges, plan.operations[node], strict=True):
                assert any(w.source == edge.source and w.stop == spot for w in plan.wires)
                assert plan.nodes[edge.source][0] < spot[0] < plan.nodes[node][0]
        for wire in plan.wires:  # a line starts at its source or where its stream left off, never in the air
            ends = {plan.nodes[wire.source]} | {
                (w.stop[0] + BLOCK, w.stop[1]) for w in plan.wires if w.through and w.source == wire.source
            }
            assert any(math.dist(wire.start, end) < 1e-6 for end in ends)
        into_output = {w.source for w in plan.wires if w.stop[0] == plan.output[0]}
        assert into_output == set(cell.concat)


def test_a_drawn_cell_names_its_operations_nodes_and_inputs() -> None:
    cell = Cell(((Edge("sep_conv_5x5", 0), Edge("conv_1x7_7x1", 1)), (Edge("skip_connect", 2),)), (3,))
    svg = cell_svg(cell, "A & B <script>")
    assert {"sep conv 5×5", "conv 1×7 7×1", "skip", "2", "3", "ck−2", "ck−1", "concat"} <= set(texts(svg))
    assert texts(svg)[0] == "A & B <script>"
    assert "<script>" not in svg
    label = ET.fromstring(svg).get("aria-label")
    assert label is not None
    assert "node 2 = sep_conv_5x5(c_{k-2}) + conv_1x7_7x1(c_{k-1}); node 3 = skip_connect(node 2)" in label


def test_all_cells_are_well_formed_and_drawn_the_same_every_time() -> None:
    for cell in cells():
        svg = cell_svg(cell, "cell")
        ET.fromstring(svg)
        assert svg == cell_svg(cell, "cell")


def test_what_nobody_reads_is_dashed() -> None:
    dead = Cell(((Edge("conv_1x1", 1),), (Edge("conv_1x1", 1),)), (3,))
    assert cell_svg(dead, "t").count("stroke-dasharray") == 2  # input 0 and node 2
    alive = Cell(((Edge("conv_1x1", 0),), (Edge("conv_1x1", 1),)), (2, 3))
    assert "stroke-dasharray" not in cell_svg(alive, "t")


def test_charts_are_reproducible_and_share_a_page_without_sharing_ids() -> None:
    first, again, other = tradeoff(POINTS), tradeoff(POINTS), tradeoff(POINTS, name="b")
    assert first == again
    ids = [set(re.findall(r'\bid="([^"]*)"', svg)) for svg in (first, other)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])
    for svg, known in zip((first, other), ids, strict=True):
        used = set(re.findall(r'href="#([^"]*)"', svg)) | set(re.findall(r"url\(#([^)]*)\)", svg))
        assert used <= known
    assert "<style" not in first
    assert "<metadata" not in first


def test_the_process_style_is_left_alone_and_does_not_matter() -> None:
    before = tradeoff(POINTS)
    with mpl.rc_context({"font.size": 9.0}):
        kept = dict(mpl.rcParams)
        tradeoff(POINTS)
        assert dict(mpl.rcParams) == kept
    assert tradeoff(POINTS) == before


def test_the_marked_point_its_notes_and_the_levels_are_named() -> None:
    points = [*POINTS[:3], replace(POINTS[3], note="a <b> note"), *POINTS[4:]]
    svg = tradeoff(points, marked=3)
    assert {"s0", "s3", "s5", "target 0.80", "ceiling"} <= set(texts(svg))
    titles = {e.text for e in ET.fromstring(svg).iter(f"{SVG}title")}
    assert titles == {"s0", "s1", "s2", "a <b> note", "s4", "s5"}


def test_dominated_points_are_drawn_but_not_named() -> None:
    worse = Point(label="worse", x=1.5, y=0.2)
    svg = tradeoff([*POINTS, worse])
    assert "worse" not in texts(svg)
    assert "worse" in {e.text for e in ET.fromstring(svg).iter(f"{SVG}title")}


def test_points_of_equal_cost_are_drawn_side_by_side() -> None:
    svg = tradeoff([Point(label=f"p{i}", x=8.0, y=0.5) for i in range(3)] + POINTS)
    places = [
        float(e.attrib["x"])
        for g in ET.fromstring(svg).iter(f"{SVG}g")
        if g.get("id") in {"a-point-0", "a-point-1", "a-point-2", "a-point-6"}  # 6: also at 8
        for e in g.iter(f"{SVG}use")
    ]
    assert len({round(place, 1) for place in places}) == 4
    assert max(places) - min(places) < 60


def marks(svg: str) -> dict[str, tuple[float, float]]:
    """Where every point's mark is, by the chart's id."""
    found = {}
    for g in ET.fromstring(svg).iter(f"{SVG}g"):
        for use in g.iter(f"{SVG}use"):
            if (name := g.get("id", "")).startswith("a-point-"):
                found[name.removeprefix("a-point-")] = float(use.attrib["x"]), float(use.attrib["y"])
    return found


def test_groups_have_a_legend_and_those_of_one_label_stand_above_each_other() -> None:
    points = [
        Point(label=f"s{i}", x=8.0, y=0.8 - 0.1 * j, group=group)
        for i in range(3)
        for j, group in enumerate(("accuracy", "loss"))
    ]
    svg = tradeoff(points, marked=1)
    assert {"accuracy", "loss", "s0 by loss"} <= set(texts(svg))
    places = marks(svg)
    assert len(places) == 6
    columns = [{places[str(2 * i)][0], places[str(2 * i + 1)][0]} for i in range(3)]
    assert [len(column) for column in columns] == [1, 1, 1]
    assert len(set.union(*columns)) == 3
    colours = set(re.findall(r"fill: (#[0-9a-f]{6})", svg))
    assert {"#0072b2", "#56b4e9"} <= colours  # blue and sky blue, also apart by their marks
    assert "loss" not in texts(tradeoff(POINTS))


def test_what_is_free_stands_at_the_right_edge_with_its_name() -> None:
    free = [
        Point(label=name, x=math.inf, y=y, low=y - 0.1, high=y + 0.1) for name, y in (("macs", 0.4), ("naswot", 0.2))
    ]
    svg = tradeoff([*POINTS, *free, Point(label="undefined", x=math.inf, y=NAN)])
    assert {"macs", "naswot", "free"} <= set(texts(svg))
    assert "undefined" not in texts(svg)
    places = marks(svg)
    assert min(places["6"][0], places["7"][0]) > max(places[str(i)][0] for i in range(6))
    assert places["7"][0] < places["6"][0]  # the best at the right
    assert "free" not in texts(tradeoff(POINTS))
    assert texts(tradeoff(free, marked=0)).count("macs") == 1


@pytest.mark.parametrize(
    "points",
    [
        [],
        [Point(label="$one$", x=1.0, y=1.0)],
        [Point(label="free", x=math.inf, y=0.5, group="also")],
        [Point(label="s", x=2.0, y=0.5, group=str(i)) for i in range(12)],
        [Point(label="nan", x=NAN, y=NAN), Point(label="y", x=2.0, y=NAN)],
        [Point(label="huge", x=1e6, y=-1.0, low=-1.0, high=1.0), Point(label="slow", x=0.01, y=0.3)],
        [Point(label=str(i), x=3.0, y=0.5) for i in range(40)],
    ],
)
def test_a_tradeoff_of_odd_numbers_is_still_a_chart(points: list[Point]) -> None:
    nothing = Level(label="none", value=NAN)
    ET.fromstring(tradeoff(points, ceiling=nothing, target=NAN, marked=0 if points else None))


def test_scatters_show_every_network_with_a_reference_and_mark_failures() -> None:
    points = [
        Point(label="ok", x=0.5, y=0.4, low=0.45, high=0.55),
        Point(label="failed", x=0.6, y=NAN, low=0.6, high=0.6),
        Point(label="no reference", x=NAN, y=0.4),
    ]
    panel = Panel(title="t", xlabel="x", ylabel="y", points=points)
    svg = scatter_svg([panel, panel], name="s", description="d")
    titles = [e.text for e in ET.fromstring(svg).iter(f"{SVG}title")]
    assert titles == ["ok", "failed"] * 2


@pytest.mark.parametrize("values", [[], [(NAN, NAN)], [(0.5, NAN)], [(0.5, 0.5)] * 3])
def test_scatters_of_odd_numbers_are_still_charts(values: list[tuple[float, float]]) -> None:
    points = [Point(label="p", x=x, y=y) for x, y in values]
    ET.fromstring(scatter_svg([Panel(title="", xlabel="", ylabel="", points=points)], name="s", description=""))
    ET.fromstring(scatter_svg([], name="s", description=""))


def test_factor_lines_are_labelled_and_averaged() -> None:
    traces = [
        Trace(label="up", ticks=["c0", "c2"], values=[0.2, 0.4], trend=1.0),
        Trace(label="short", ticks=["c2", "c4"], values=[0.5, NAN], trend=NAN),
    ]
    svg = factor_svg("channels", traces, ticks=["c0", "c2", "c4"], xlabel="level", name="f", description="d")
    assert {"up", "short", "c0", "c2", "c4", "channels", "level"} <= set(texts(svg))
    titles = {e.text for e in ET.fromstring(svg).iter(f"{SVG}title")}
    assert titles == {"up: 0.20, 0.40", "short: 0.50, –"}


def test_labels_of_many_lines_keep_their_distance() -> None:
    traces = [Trace(label=f"t{i}", ticks=["e2", "e4"], values=[0.5, 0.5 + i / 1e4]) for i in range(18)]
    traces.append(Trace(label="low", ticks=["e2", "e4"], values=[0.0, 0.0]))
    svg = factor_svg("e", traces, ticks=["e2", "e4"], xlabel="", name="f", description="d")
    heights = sorted(
        float(e.attrib["y"])
        for e in ET.fromstring(svg).iter(f"{SVG}text")
        if re.fullmatch(r"t\d+|low", (e.text or "").strip())
    )
    assert len(heights) == 19
    assert min(b - a for a, b in pairwise(heights)) > 6


@pytest.mark.parametrize(
    "traces", [[], [Trace(label="n", ticks=["c0"], values=[NAN])], [Trace(label="o", ticks=["c0"], values=[1.0])]]
)
def test_factors_of_odd_numbers_are_still_charts(traces: list[Trace]) -> None:
    ET.fromstring(factor_svg("c", traces, ticks=["c0"], xlabel="", name="f", description=""))


def test_charts_draw_without_a_display_or_the_main_thread() -> None:
    made: list[str] = []
    thread = threading.Thread(target=lambda: made.append(tradeoff(POINTS[:1])))
    thread.start()
    thread.join()
    assert made[0].startswith("<svg")


@pytest.mark.parametrize("width", [4.0, 8.6])
@pytest.mark.parametrize("values", [[1.0, 1000.0], [1.2, 19.0], [17.0, 19.0], [2.0, 2e5], [5.0]])
@pytest.mark.parametrize("free", [0, 7])
def test_names_of_ticks_do_not_touch(width: float, values: list[float], free: int) -> None:
    with figure(width, 4.8) as drawn:
        axes = drawn.add_subplot()
        axes.set_ylabel("rank correlation")
        multiples(axes, values, free)
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in axes.get_xticklabels()]
    assert all(left.x1 + 2 < right.x0 for left, right in pairwise(boxes))
    assert len(boxes) >= 1 + (free > 0)
