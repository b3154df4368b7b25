"""The command line `thriftnas`: parse, wire, run; every error a user can cause is one line and exit code 2."""

import sqlite3
import sys
from importlib.metadata import entry_points

import typer

from zoo.commands.study import study

app = typer.Typer(
    name="thriftnas",
    help="Neural architecture search that costs little and says how far to trust the cheap measurement.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
zoo_app = typer.Typer(help="Random networks: sample, cost, build, and study how well cheap settings rank them.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")
zoo_app.command()(study)


@app.callback()
def root():
    """x"""


def main() -> None:
    try:
        app(standalone_mode=False)
    except (ValueError, OSError, sqlite3.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
