"""A chart on a page: drawn once for screens and paper, and once for screens as wide as a hand."""

from collections.abc import Callable

from markupsafe import Markup


def both(draw: Callable[[bool], str]) -> Markup:
    """A drawing for wide screens and one for narrow ones, of which a page shows one.

    Args:
        draw: gives SVG text; whether it is for a screen of 390 pixels. Text that is scaled down with a wide chart
            could not be read there.
    """
    wide, narrow = draw(False), draw(True)
    if not wide:
        return Markup("")
    return Markup(f'<div class="wider">{wide}</div><div class="narrower">{narrow}</div>')
