"""A family: every network by birth and accuracy, joined to its parent, with one lineage in front. Plain SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.figures.axes import ACCENT, WIDE, Frame, card, dot, grid, label, spread

BACKGROUND = 2500
"""Networks of the background; of more, an even choice is drawn."""
_GREY, _LINK = "#9aa3ab", "#d7dce0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A network: when it was born, how good it was, and the place of its parent among the members, if it has one."""

    x: float
    y: float
    parent: int | None
    note: str
    of: str = ""


def family_svg(
    members: Sequence[Member],
    line: Sequence[int],
    *,
    xlabel: str,
    ylabel: str,
    description: str,
    size: tuple[float, float] = (WIDE, 400.0),
) -> str:
    """Members as dots (hollow: no parent) with links to their parents; those of `line`, eldest first, are numbered.

    Equal input gives equal text.
    """
    heights = sorted(member.y for member in members if math.isfinite(member.y))
    floor = heights[len(heights) // 50] if len(heights) >= 50 else -math.inf
    shown = [members[i].y for i in line] + [y for y in heights if y >= floor]
    frame = Frame(
        xs=spread([member.x for member in members], 0.02),
        ys=spread(shown),
        left=66,
        right=size[0] - 24,
        top=24,
        bottom=size[1] - 48,
    )
    chosen = range(0, len(members), -(-len(members) // BACKGROUND) or 1)
    places = [i for i in chosen if math.isfinite(members[i].y)]
    parts = [grid(frame, xlabel, ylabel, percent=True), f'<g stroke="{_LINK}" fill="none">']
    parts += [_link(frame, members, i) for i in places]
    parts.append("</g>")
    for i in places:
        member = members[i]
        style = f'fill="{_GREY}"' if member.parent is not None else f'fill="#ffffff" stroke="{_GREY}"'
        parts.append(dot(frame.x(member.x), frame.y(member.y), member.note, style, 2.6, member.of))
    parts.append(f'<g stroke="{ACCENT}" stroke-width="2.2" fill="none">')
    parts += [_link(frame, members, i) for i in line]
    parts.append("</g>")
    for number, i in enumerate(line, start=1):
        parts.append(_numbered(frame, members[i], number))
    return card(*size, "".join(parts), description)


def _link(frame: Frame, members: Sequence[Member], place: int) -> str:
    member = members[place]
    if member.parent is None:
        return ""
    parent = members[member.parent]
    if not (math.isfinite(parent.y) and math.isfinite(member.y)):
        return ""
    x0, y0, x1, y1 = frame.x(parent.x), frame.y(parent.y), frame.x(member.x), frame.y(member.y)
    middle = (x0 + x1) / 2
    return f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"/>'


def _numbered(frame: Frame, member: Member, number: int) -> str:
    if not math.isfinite(member.y):
        return ""
    x, y = frame.x(member.x), frame.y(member.y)
    fill = ACCENT if member.parent is not None else "#ffffff"
    text = "#ffffff" if member.parent is not None else ACCENT
    return dot(
        x, y, f"{number}: {member.note}", f'fill="{fill}" stroke="{ACCENT}" stroke-width="2"', 8.5, member.of
    ) + label(str(number), x, y + 3.3, anchor="middle", colour=text, size=9, bold=True)
