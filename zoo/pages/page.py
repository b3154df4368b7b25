"""A page: one HTML file that needs nothing else, from a template that wears the house's skin.

Readable without scripts, on paper and offline; a template extends ``zoo.pages/skin.html``.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from zoo.pages.dark import dark_rules
from zoo.pages.written import interval, large, metric, number, percent, signed, sortable

STYLE, SCRIPT = "zoo.pages/style.css", "zoo.pages/page.js"
_SKIN = {"warning": "", "kicker": "", "notes": (), "tiles": (), "steps": (), "called": "", "run": (), "state": ""}
"""What the skin shows besides the answer, and what it holds where a page has nothing to say there."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A number at the top of a page: what it is, its value, and what it means."""

    name: str
    value: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: why, and the command that does it; a step without one is a sentence."""

    why: str
    command: str = ""


def render_page(template: str, contents: Mapping[str, Any]) -> str:
    """Fill a template, named "package/file", with what it shows.

    Everything filled in is escaped; templates extend and include each other by the same names. Equal contents give an
    equal page.

    Args:
        template: that extends the skin.
        contents: of the template, and of the skin: ``answer`` in one sentence; where there is something to say,
            ``kicker`` (the question), ``warning``, ``notes``, ``tiles`` (:class:`Tile`), ``steps`` (:class:`Step`),
            ``called`` (the command that ran it), and ``run``: (heading, rows of name and value).
    """
    held = {"style": Markup(_template(STYLE) + dark_rules()), "script": Markup(script())}
    return fragment(template, _SKIN | held | dict(contents))


def fragment(template: str, contents: Mapping[str, Any]) -> str:
    """A part of a page, from a template with nothing but its own contents; everything filled in is escaped."""
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        one.__name__: one for one in (number, percent, interval, signed, sortable, large, metric, unbroken, words)
    }
    return environment.get_template(template).render(contents)


def called(about: Mapping[str, Any]) -> str:
    """The command that made a run, from the facts of the run."""
    words = about.get("command") or []
    return shlex.join(["thriftnas", *map(str, words)]) if words else "made in Python"


def unbroken(text: str) -> Markup:
    """A text in which no line ends between a number and its unit or within an option, and minus signs are true ones."""
    kept = re.sub(r"(?<=[0-9]) (?=(?:%|[kMGT]\b))", "\N{NO-BREAK SPACE}", str(text))
    kept = re.sub(r"(?:(?<=[\s\[(])|^)-(?=[0-9])", "\N{MINUS SIGN}", kept)
    return Markup(re.sub(r"(?<![\w-])--[a-z][a-z-]*", r'<span class="option">\g<0></span>', str(escape(kept))))


def words(command: str) -> Markup:
    """A command whose lines end between its words, not after the hyphens of an option."""
    return Markup(" ").join(Markup('<span class="word">{}</span>').format(word) for word in str(command).split(" "))


def facts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested data as rows of a table: names joined with spaces, lists with commas."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from facts(inner, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value, start=1):
            yield from facts(inner, f"{name} {place}".strip())
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(str, value))
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        yield name, str(int(value))
    else:
        yield name, "none" if value is None else str(value)


def script() -> str:
    """The script of every page, as it stands in them."""
    return _template(SCRIPT)


def _template(name: str) -> str:
    package, _, file = name.partition("/")
    return files(package).joinpath(file).read_text(encoding="utf-8")
