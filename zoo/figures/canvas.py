"""The canvas: figures in the house's style, as SVG text or PNG bytes. The only file that imports matplotlib."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "Axes",
    "Figure",
    "FixedLocator",
    "NullFormatter",
    "NullLocator",
    "figure",
    "png",
    "svg",
]

# Okabe and Ito's colours: apart for every kind of colour blindness.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#007a5a", "#a8528a", "#777777"
_STYLE: Any = {  # each version of matplotlib types its settings in its own way
    "svg.fonttype": "none",
    "svg.hashsalt": "thriftnas",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "text.parse_math": False,
    "text.usetex": False,
    "path.simplify": False,
}


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure (inches) in the house's style; the process's own style is left as it is."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def svg(
    drawn: Figure, name: str, description: str, notes: Mapping[str, str], links: Mapping[str, str] | None = None
) -> str:
    """The figure as one element: no prolog, metadata, or page-wide style; ids prefixed; notes as tooltips.

    `links` are ids of what a page shows when something is chosen, by its name in the figure.
    """
    stream = io.BytesIO()
    drawn.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)  # a bare *{…} would reach the page
    for gid, note in notes.items():
        of = (links or {}).get(gid, "")
        of = f' data-of="{escape(of)}"' if of else ""
        text = text.replace(f'<g id="{gid}">', f'<g id="{gid}"{of}><title>{escape(note)}</title>', 1)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    shown = f'<svg class="chart" role="img" aria-label="{escape(description)}"'
    shown += ' stroke-linejoin="round" stroke-linecap="butt"'
    return re.sub(r"\s*\n\s*", "\n", text.replace("<svg", shown, 1)).strip()


def png(drawn: Figure) -> bytes:
    """The figure as a PNG file on white, 160 dots per inch; equal input gives equal bytes."""
    stream = io.BytesIO()
    drawn.savefig(stream, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return stream.getvalue()
