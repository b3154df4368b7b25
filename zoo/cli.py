"""The command line `thriftnas`: which commands there are, and how an error looks: one line, exit code 2."""

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Annotated

import typer

from zoo import __version__
from zoo.commands.build import build
from zoo.commands.demo import demo
from zoo.commands.doctor import doctor
from zoo.commands.export import export
from zoo.commands.predict import predict
from zoo.commands.runs import digest, report, resume, status
from zoo.commands.study import study
from zoo.commands.train import train
from zoo.commands.zoo import cost, sample

SEARCHES = "thriftnas.commands"
"""Entry-point group through which a search adds its typer app."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def _broken(name: str, error: Exception) -> Callable[[], None]:
    """The command of a search that cannot be loaded: it says why."""

    def command() -> None:
        raise ValueError(f"the search {name!r} cannot be loaded: {type(error).__name__}: {error}")

    return command


app = typer.Typer(
    name="thriftnas",
    help="Neural architecture search that costs little and says how far to trust the cheap measurement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
zoo_app = typer.Typer(no_args_is_help=True, help="Random networks: sample, cost, build, study, train.")
run_app = typer.Typer(no_args_is_help=True, help="Runs: status, resume, report, export, digest.")
for group, commands in (
    (app, (demo, predict, doctor)),
    (zoo_app, (sample, cost, build, study, train)),
    (run_app, (status, resume, report, export, digest)),
):
    for command in commands:
        group.command()(command)
app.add_typer(zoo_app, name="zoo")
app.add_typer(run_app, name="run")
for search in entry_points(group=SEARCHES):
    try:
        app.add_typer(search.load(), name=search.name)
    except Exception as error:  # somebody else's package: whatever is wrong with it, all other commands work
        app.command(search.name, help=f"Cannot be loaded: {error}")(_broken(search.name, error))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"thriftnas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Neural architecture search that costs little and says how far to trust the cheap measurement."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 after one line on standard error, 130 when interrupted."""
    message = ""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(args=given, obj=given, standalone_mode=False, prog_name="thriftnas")
        sys.stdout.flush()
        code = result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):  # which of the two, or a returned 130, depends on typer's version
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough, as in `thriftnas ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        code, message = 2, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    except (ValueError, sqlite3.Error) as error:
        code, message = 2, str(error)
    except Exception as error:
        # typer's own usage errors; their class has changed its home between versions
        describe = getattr(error, "format_message", None)
        if describe is None:
            raise
        code, message = 2, describe()
        if message:  # it is empty where a group of commands was called without one and has shown its help
            where = getattr(getattr(error, "ctx", None), "command_path", "thriftnas")
            message = f"{message.rstrip('.')} (see {where} --help)"
    if code == INTERRUPTED:
        print("stopped; what a run has measured is kept, the same command continues it", file=sys.stderr)
    elif message:
        print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
