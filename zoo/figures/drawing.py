"""A cell drawn as a graph that reads from left to right, in plain SVG."""

from html import escape

from zoo.figures.layout import (
    BLOCK,
    BOX,
    LINK,
    NODE,
    OPERATION_HEIGHT,
    OPERATION_WIDTH,
    TAG,
    Layout,
    Spot,
    layout,
)
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge
from zoo.spaces.operations import OPERATIONS

# Dark enough for white letters, and apart for the colour-blind; the tags repeat in words what colours say.
_SOURCES = (
    "#4d4d4d", "#0b6fb3", "#b35900", "#117733", "#882255", "#332288", "#007c7c", "#a8328f", "#7a6a00",
)  # fmt: skip
_MARGIN, _HEADING = 14.0, 30.0

LONGEST = 16
"""Letters of an operation's name that its box has room for."""


def cells_svg(genotype: CellGenotype, name: str) -> list[str]:
    """Both cells of a genotype, the normal one first, each drawn as :func:`cell_svg` does."""
    both = (("normal", genotype.normal), ("reduction", genotype.reduction))
    return [cell_svg(cell, f"{name}, {kind} cell") for kind, cell in both]


def cell_svg(cell: Cell, title: str) -> str:
    """`cell` as a graph from left to right, on a white card: one `<svg>` element, sizes in pixels.

    The inputs c_{k-2} and c_{k-1} are on the left; every node is a circle with the operations that it sums in
    front of it, each tagged with the node it reads; the concatenation is on the right. Nodes are numbered as
    in the genotype, from 2; what nobody reads is dashed. Equal input gives equal text; `title` may be any text.
    """
    plan = layout(cell)
    top = _MARGIN + _HEADING
    width = max(plan.width + 2 * _MARGIN, 2 * _MARGIN + 7.5 * len(title))
    height = plan.height + top + _MARGIN
    body = [*_lines(plan), *_inputs(plan, cell), *_nodes(plan, cell), _output(plan)]
    label = escape(f"{title}: {_in_words(cell)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cell" role="img" aria-label="{label}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        'font-family="system-ui, \'DejaVu Sans\', Verdana, sans-serif" font-size="11">'
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>'
        f'<text x="{_MARGIN:.0f}" y="25" font-size="13" font-weight="bold" fill="#222222">{escape(title)}</text>'
        f'<g transform="translate({_MARGIN:.0f} {top:.0f})">{"".join(body)}</g></svg>'
    )


def _in_words(cell: Cell) -> str:
    """The cell as text, for readers who do not see the drawing."""
    sums = [
        f"node {node} = {' + '.join(f'{edge.op}({_name(edge.source)})' for edge in edges)}"
        for node, edges in enumerate(cell.nodes, start=INPUTS)
    ]
    return f"{'; '.join(sums)}; output = concatenation of {', '.join(map(str, cell.concat))}"


def _name(source: int) -> str:
    return ("c_{k-2}", "c_{k-1}")[source] if source < INPUTS else f"node {source}"


def _label(op: str) -> str:
    operation = OPERATIONS[op]
    side = f"{operation.kernel}×{operation.kernel}"
    match operation.kind:
        case "none" | "skip":
            return operation.kind
        case "rect_conv":
            return f"conv 1×{operation.kernel} {operation.kernel}×1"
        case "other":  # of another package, which may have given it a long name
            return escape(op if len(op) <= LONGEST else f"{op[: LONGEST - 1]}…")
        case kind:
            return f"{kind.replace('_', ' ')} {side}"


def _colour(source: int) -> str:
    return _SOURCES[source % len(_SOURCES)]


def _lines(plan: Layout) -> list[str]:
    """What carries a source's value: curves between columns, straight through the columns it passes."""
    parts = []
    for wire in plan.wires:
        (x0, y0), (x1, y1) = wire.start, wire.stop
        bend = (x1 - x0) / 2
        path = f"M{x0:.1f} {y0:.1f}C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        if wire.through:
            path += f"H{x1 + BLOCK:.1f}"
        parts.append(f'<path d="{path}" fill="none" stroke="{_colour(wire.source)}" stroke-width="1.6"/>')
        if not wire.through:
            arrow = f"M{x1:.1f} {y1:.1f}l-6 -3.5v7z"
            parts.append(f'<path d="{arrow}" fill="{_colour(wire.source)}"/>')
    return parts


def _inputs(plan: Layout, cell: Cell) -> list[str]:
    read = {edge.source for _, edge in cell.edges()}
    parts = []
    for source in range(INPUTS):
        x, y = plan.nodes[source]
        dash = "" if source in read else ' stroke-dasharray="4 3"'
        parts.append(
            f'<rect x="{x - BOX:.1f}" y="{y - 13:.1f}" width="{BOX:.0f}" height="26" rx="4" fill="#f2f2f2" '
            f'stroke="{_colour(source)}" stroke-width="1.6"{dash}/>'
            f'<text x="{x - BOX / 2:.1f}" y="{y + 3:.1f}" text-anchor="middle" fill="#222222">c'
            f'<tspan font-size="9" dy="3">k−{2 - source}</tspan></text>'
        )
    return parts


def _nodes(plan: Layout, cell: Cell) -> list[str]:
    loose = set(cell.loose_ends) - set(cell.concat)
    parts = []
    for node, edges in enumerate(cell.nodes, start=INPUTS):
        right, middle = plan.nodes[node]
        x = right - NODE / 2
        for edge, spot in zip(edges, plan.operations[node], strict=True):
            start, end = spot[0] + OPERATION_WIDTH, x - NODE / 2
            parts.append(
                f'<path d="M{start:.1f} {spot[1]:.1f}C{start + LINK:.1f} {spot[1]:.1f} {end - LINK:.1f} '
                f'{middle:.1f} {end:.1f} {middle:.1f}" fill="none" stroke="#777777"/>'
            )
            parts.append(_operation(edge, spot))
        dash = ' stroke-dasharray="4 3"' if node in loose else ""
        parts.append(
            f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="{NODE / 2:.0f}" fill="#ffffff" '
            f'stroke="{_colour(node)}" stroke-width="2"{dash}/>'
            f'<text x="{x:.1f}" y="{middle + 4:.1f}" text-anchor="middle" font-weight="bold" '
            f'fill="{_colour(node)}">{node}</text>'
        )
    return parts


def _operation(edge: Edge, spot: Spot) -> str:
    """A box with the operation's name, tagged on the left with the node it reads."""
    x, y = spot
    top = y - OPERATION_HEIGHT / 2
    tag = f"k−{2 - edge.source}" if edge.source < INPUTS else str(edge.source)
    dash = ' stroke-dasharray="4 3"' if edge.op == "none" else ""
    box = f'y="{top:.1f}" height="{OPERATION_HEIGHT:.0f}" rx="4"'
    return (
        f"<g><title>{escape(edge.op)} of {_name(edge.source)}</title>"
        f'<rect x="{x:.1f}" width="{OPERATION_WIDTH:.0f}" {box} fill="{escape(OPERATIONS[edge.op].tint)}" '
        f'stroke="#999999"{dash}/>'
        f'<rect x="{x:.1f}" width="{TAG:.0f}" {box} fill="{_colour(edge.source)}"/>'
        f'<text x="{x + TAG / 2:.1f}" y="{y + 3.5:.1f}" font-size="9.5" text-anchor="middle" '
        f'fill="#ffffff">{tag}</text>'
        f'<text x="{x + (TAG + OPERATION_WIDTH) / 2:.1f}" y="{y + 4:.1f}" text-anchor="middle" '
        f'fill="#222222">{_label(edge.op)}</text></g>'
    )


def _output(plan: Layout) -> str:
    x, y = plan.output
    half = plan.output_height / 2
    return (
        f'<rect x="{x:.1f}" y="{y - half:.1f}" width="{BOX + 8:.0f}" height="{2 * half:.1f}" rx="4" '
        'fill="#f2f2f2" stroke="#222222" stroke-width="1.6"/>'
        f'<text x="{x + BOX / 2 + 4:.1f}" y="{y + 4:.1f}" text-anchor="middle" fill="#222222">concat</text>'
    )
