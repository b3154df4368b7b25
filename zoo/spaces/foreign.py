"""Cells as other toolkits write them: DARTS's `Genotype(...)`, NNI's dictionary. Literals are read, none evaluated."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge

CELLS = ("normal", "reduce")
EXAMPLE = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ...], normal_concat=[2, 3, 4, 5], reduce=[...], "
    "reduce_concat=[2, 3, 4, 5])"
)
FIELDS = {field for name in CELLS for field in (name, f"{name}_concat")}
_NNI = re.compile(r"(normal|reduce)/(op|input)_(\d+)_(\d+)")


def is_foreign(data: Any) -> bool:
    """Whether data out of JSON are cells of DARTS's or NNI's form."""
    return isinstance(data, Mapping) and (set(data) == FIELDS or any(_NNI.fullmatch(str(name)) for name in data))


def foreign_cells(data: Mapping[str, Any]) -> CellGenotype:
    """Read what :func:`is_foreign` recognises.

    DARTS (Liu et al. 2019) lists two edges a node, (operation, source); NNI names them, ``normal/op_2_0`` with
    ``normal/input_2_0``, and concatenates every node.

    Raises:
        ValueError: naming what is wrong.
    """
    found = _of_darts(data) if set(data) == FIELDS else _of_nni(data)
    try:
        return CellGenotype(*(Cell(*found[name]) for name in CELLS))
    except (TypeError, ValueError) as error:
        raise ValueError(f"these cells of another toolkit cannot be read: {error}") from None


def foreign_text(text: str) -> CellGenotype | None:
    """Read ``Genotype(normal=..., ...)``, with a name in front or without; None for text of another form.

    Raises:
        ValueError: as :func:`foreign_cells`, or for fields that are no literals.
    """
    if "Genotype(" not in text:
        return None
    try:
        body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"expected one genotype like {EXAMPLE}") from None
    call = getattr(body[0], "value", None) if len(body) == 1 else None
    if not isinstance(call, ast.Call) or call.args or {one.arg for one in call.keywords} != FIELDS:
        raise ValueError(f"expected one genotype like {EXAMPLE}")
    return foreign_cells({str(one.arg): _literal(one.value) for one in call.keywords})


def _literal(node: ast.expr) -> Any:
    """A literal, or a range of whole numbers, which DARTS prints."""
    try:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range" and not node.keywords:
            return list(range(*(ast.literal_eval(one) for one in node.args))[:100])
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"a genotype holds lists of names and numbers, expected a form like {EXAMPLE}") from None


def _of_darts(data: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name in CELLS:
        edges, concat = data[name], data[f"{name}_concat"]
        pairs = isinstance(edges, list | tuple) and all(_is_edge(edge) for edge in edges)
        if not pairs or len(edges) % 2 or not isinstance(concat, list | tuple):
            raise ValueError(f"the {name} cell must list two edges a node, expected a form like {EXAMPLE}")
        nodes = [tuple(Edge(*edge) for edge in edges[at : at + 2]) for at in range(0, len(edges), 2)]
        found[name] = tuple(nodes), tuple(sorted(concat))
    return found


def _is_edge(edge: Any) -> bool:
    return isinstance(edge, list | tuple) and len(edge) == 2 and isinstance(edge[0], str) and type(edge[1]) is int


def _of_nni(data: Mapping[str, Any]) -> dict[str, Any]:
    held: dict[str, dict[tuple[int, int], dict[str, Any]]] = {name: {} for name in CELLS}
    for key, value in data.items():
        if match := _NNI.fullmatch(str(key)):
            cell, kind, node, place = match.groups()
            single = value[0] if isinstance(value, list) and len(value) == 1 else value
            held[cell].setdefault((int(node), int(place)), {})[kind] = single
    found = {}
    for name, edges in held.items():
        for (node, place), one in edges.items():
            if not (isinstance(one.get("op"), str) and type(one.get("input")) is int):
                raise ValueError(
                    f"{name}/op_{node}_{place} and {name}/input_{node}_{place} must both be there, one each"
                )
        numbers = sorted({node for node, _ in edges})
        if numbers != list(range(INPUTS, INPUTS + len(numbers))) or not numbers:
            raise ValueError(f"the {name} cell's nodes must count from {INPUTS}, got {numbers[:10]}")
        nodes = [
            tuple(Edge(one["op"], one["input"]) for (of, _), one in sorted(edges.items()) if of == node)
            for node in numbers
        ]
        found[name] = tuple(nodes), tuple(numbers)
    return found
