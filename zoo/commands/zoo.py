"""`thriftnas zoo sample` and `zoo cost`: random genotypes, and what a genotype costs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zoo.commands import options as opt


def sample(
    space: Annotated[
        str, typer.Option(help="Search space: econas-zoo, econas-search, darts, scarlet-s1, nas-bench-macro, ...")
    ] = "econas-zoo",
    models: Annotated[int, typer.Option(help="Genotypes to draw, no two of the same function.")] = 1,
    seed: opt.Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder to write genotype-NNNN.json files to.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw random genotypes and print them, one line of JSON each."""
    from zoo.files import write_text
    from zoo.population.strategy import GenotypeSequence
    from zoo.spaces.cell_space import CELL_SPACES, cell_space
    from zoo.spaces.chain_space import CHAIN_SPACES

    if models < 1 or seed < 0:
        raise ValueError(f"models must be at least 1 and seed at least 0, got {models} and {seed}")
    if space not in CELL_SPACES and space not in CHAIN_SPACES:
        raise ValueError(f"unknown search space {space!r}, expected one of {', '.join([*CELL_SPACES, *CHAIN_SPACES])}")
    sequence = GenotypeSequence(CHAIN_SPACES[space] if space in CHAIN_SPACES else cell_space(space), seed)
    genotypes = [sequence[i] for i in range(models)]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for i, genotype in enumerate(genotypes):
            write_text(out / f"genotype-{i:04d}.json", genotype.to_json() + "\n")
    if as_json:
        print(json.dumps([genotype.to_dict() for genotype in genotypes]))
    elif out is None:
        for genotype in genotypes:
            print(genotype.to_json())
    else:
        print(f"{models} genotypes in {out}")


def cost(
    genotype: Annotated[
        str,
        typer.Argument(help="A JSON file, or DARTS_V1, DARTS_V2, PC_DARTS, NASNET_A, AMOEBANET_A, SCARLET_A, _B, _C."),
    ],
    channels: Annotated[int | None, typer.Option(help="Initial channels: 36; a chain's own of its stem.")] = None,
    cells: Annotated[int | None, typer.Option(help="Cells of a network, of which two reduce: 20.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels a side: 32; a chain's own.")] = None,
    in_channels: Annotated[int | None, typer.Option(help="Colours of an image: 3, or 1 for grey.")] = None,
    classes: Annotated[int | None, typer.Option(help="Outputs: 10; 1000 of a chain for 224 pixels.")] = None,
    form: Annotated[str | None, typer.Option(help="cifar, or imagenet (use 14 cells, 224 px, 1000 classes).")] = None,
    setting: Annotated[str | None, typer.Option(help="Reduce by a proxy setting, e.g. c4r4s0e60.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Parameters and MACs per image of a genotype, in closed form: no network is built.

    A model-NN.json of run export says its own channels, cells, resolution and classes.
    """
    from zoo.population.proxy import ProxySetting
    from zoo.spaces.chain_cost import chain_skeleton, network_cost
    from zoo.spaces.genotype import ChainGenotype
    from zoo.spaces.named import read_blueprint
    from zoo.spaces.skeleton import Skeleton

    planned = read_blueprint(genotype)
    what = planned.genotype
    usual = planned.skeleton or (chain_skeleton(what.space) if isinstance(what, ChainGenotype) else Skeleton())
    sizes: dict[str, int | str | None] = {
        "channels": channels,
        "cells": cells,
        "resolution": resolution,
        "classes": classes,
    }
    sizes |= {"in_channels": in_channels, "form": form}
    given = {name: value for name, value in sizes.items() if value is not None}
    skeleton = replace(usual, **given)  # type: ignore[arg-type]
    if setting is not None:
        skeleton = ProxySetting.parse(setting).skeleton(skeleton)
    price = network_cost(what, skeleton)
    if as_json:
        print(json.dumps({"params": price.params, "macs": price.macs}))
        return
    table = Table("what", "value", title=genotype)
    table.add_row("parameters", f"{price.params:,}")
    table.add_row("MACs per image", f"{price.macs:,}")
    parts = "layers" if isinstance(what, ChainGenotype) else "cells"
    table.add_row(f"channels, {parts}, resolution", f"{skeleton.channels}, {skeleton.cells}, {skeleton.resolution} px")
    Console().print(table)
