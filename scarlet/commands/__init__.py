"""The command line of SCARLET: `thriftnas scarlet ...`."""

import typer

from scarlet.commands.extract import extract
from scarlet.commands.search import search
from scarlet.commands.similarity import similarity
from scarlet.commands.train import train

app = typer.Typer(no_args_is_help=True, help="SCARLET: train a scalable supernet, search in it, extract networks.")
for command in (train, search, extract, similarity):
    app.command()(command)

__all__ = ["app"]
