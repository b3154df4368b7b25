"""The page of all commands, from the command line itself: what `--help` says, as tables."""

import html
import re
from collections.abc import Iterator
from typing import Any, get_args

import typer

from zoo.cli import app

HEAD = """# Commands

Made from the command line itself, so that it cannot be out of date. `thriftnas COMMAND --help` says the same.
"""
WORDS = {"str": "text", "int": "integer", "float": "number", "boolean": "bool"}


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *_described(typer.main.get_command(app), ("thriftnas",))])


def names(command: Any = None, path: tuple[str, ...] = ("thriftnas",)) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield path
        return
    for name in command.commands:
        yield from names(command.commands[name], (*path, name))


def _described(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name in command.commands:
            yield from _described(command.commands[name], (*path, name))
        return
    arguments = [_value(one) for one in command.params if one.param_type_name == "argument"]
    yield f"## {' '.join(path)}\n"
    yield f"{_prose(command.help or '')}\n"
    yield f"    {' '.join([*path, '[OPTIONS]', *arguments])}\n"
    for panel, parameters in _panels(command.params).items():
        yield f"**{panel}**\n"
        yield "| option | value | default | what |\n|---|---|---|---|"
        yield from map(_row, parameters)
        yield ""


def _panels(parameters: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in parameters:
        usual = "Arguments" if one.param_type_name == "argument" else "Options"
        if not getattr(one, "hidden", False):
            found.setdefault(getattr(one, "rich_help_panel", None) or usual, []).append(one)
    return found


def _value(one: Any) -> str:
    """What stands for a parameter's value: RUN, [IMAGES]..., INTEGER."""
    if one.param_type_name != "argument":
        return str(one.metavar or _kind(one)) + (" ..." if one.multiple else "")
    name = str(one.metavar or one.name.upper()).strip("[]{}.")
    return (name if one.required else f"[{name}]") + ("..." if one.nargs == -1 else "")


def _kind(one: Any) -> str:
    """The type of an option's value in a word; where typer keeps it has changed between versions."""
    if (found := getattr(one, "type", None)) is not None:
        return WORDS.get(found.name, found.name)
    annotation = one.type_descriptor.annotation
    (annotation, *_) = (*get_args(annotation), annotation)
    return WORDS.get(annotation.__name__.lower(), annotation.__name__.lower())


def _row(one: Any) -> str:
    argument = one.param_type_name == "argument"
    words = [_value(one)] if argument else [*one.opts, *one.secondary_opts]
    value = "" if argument or getattr(one, "is_flag", False) else _value(one)
    name = ", ".join(f"`{word}`" for word in words)
    return f"| {name} | {_cell(value)} | {_default(one)} | {_cell(getattr(one, 'help', '') or '')} |"


def _default(one: Any) -> str:
    """What is taken where nothing is given; nothing where the help text says it in words."""
    value = None if one.required or callable(one.default) else one.default
    if value in (None, (), []) or "Sentinel" in type(value).__name__:
        return ""
    if isinstance(value, bool):
        return ("on" if value else "off") if one.secondary_opts else ""
    return f"`{value}`"


def _cell(text: str) -> str:
    """Text for a cell of a table: on one line, and none of it is Markdown or HTML."""
    return re.sub(r"([|*_<\[\]{}\\`])", r"\\\1", html.unescape(" ".join(text.split())))


def _prose(text: str) -> str:
    return re.sub(r"([*_<\[\]{}\\])", r"\\\1", text.replace("\f", "").strip())
