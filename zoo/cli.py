"""The command line `thriftnas`: which commands there are, and how an error looks: one line, exit code 2."""

import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer

from zoo import __version__, event_log
from zoo.commands.groups import lazy_group
from zoo.commands.renamed import renamed
from zoo.population.faults import EXIT_CODE, MachineFault
from zoo.training.presets import with_preset

SEARCHES = "thriftnas.commands"
"""Entry-point group through which a search adds its typer app."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM, as shells have them."""
STOPPED = "stopped; what a run has measured is kept, the same command continues it"
STOP_SECONDS = 4.5
"""How long closing what runs may take after a signal."""


class _Signals:
    """While a command runs, SIGINT and SIGTERM end it in order, and in any case soon."""

    def __init__(self) -> None:
        self.code = 0
        self._held: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        if threading.current_thread() is threading.main_thread():
            self._held = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._held.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _stop(self, number: int, _: object) -> None:
        if not self.code:
            self.code = TERMINATED if number == signal.SIGTERM else INTERRUPTED
            last = threading.Timer(STOP_SECONDS, self._end)
            last.daemon = True
            last.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        """What is running does not let go: a network's step, a cluster that does not answer."""
        if self._held and signal.getsignal(signal.SIGTERM) == self._stop:
            print(STOPPED, file=sys.stderr, flush=True)
            os._exit(self.code)


def _broken(name: str, error: Exception) -> Callable[[], None]:
    """The command of a search that cannot be loaded: it says why."""
    reason = f"{type(error).__name__}: {error}"

    def command() -> None:
        raise ValueError(f"the search {name!r} cannot be loaded: {reason}")

    command.__doc__ = f"Cannot be loaded: {error}"
    return command


def _search(entry: EntryPoint) -> Callable[[], Any]:
    def load() -> Any:
        try:
            return entry.load()
        except Exception as error:  # somebody else's package: whatever is wrong with it, all other commands work
            return _broken(entry.name, error)

    return load


def _named(module: str, *names: str, **called: str) -> dict[str, Callable[[], Any]]:
    """Loaders of a module's functions, by name; of a module named like the function where it is empty.

    The functions of ``called`` have other names than their commands.
    """
    functions = {name: name for name in names} | called
    return {name: partial(_function, f"zoo.commands.{module or name}", of) for name, of in functions.items()}


def _function(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


app = typer.Typer(
    name="thriftnas",
    cls=lazy_group(
        _named("", "demo", "predict", "doctor")
        | {search.name: _search(search) for search in entry_points(group=SEARCHES)}
    ),
    help="Neural architecture search that costs little and says how far to trust the cheap measurement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group, loaders, about in (
    (
        "zoo",
        _named("zoo", "sample", "cost") | _named("", "build", "study", "analyse", "train", "profile"),
        "Random networks: sample, cost, build, study, analyse, train, profile.",
    ),
    (
        "run",
        _named("runs", "status", "watch", "resume", "retry", "report", list="list_runs")
        | _named("", "export")
        | _named("runs", "digest", "gc"),
        "Runs: status, list, watch, resume, retry, report, export, digest.",
    ),
):
    app.add_typer(typer.Typer(cls=lazy_group(loaders), no_args_is_help=True, help=about), name=group)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"thriftnas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_level: Annotated[
        str,
        typer.Option(
            event_log.OPTION,
            envvar=event_log.VARIABLE,
            help="One line per event on standard error, from debug, info, warning or error on.",
        ),
    ] = "",
) -> None:
    """Neural architecture search that costs little and says how far to trust the cheap measurement."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 after one line on standard error, 75 where machines failed.

    130 when interrupted, 143 when asked to end; what has been measured is kept. Without arguments the process ends here
    then: tearing down the interpreter takes seconds, and ends by SIGINT where code was interrupted that an import runs.
    """
    with _Signals() as signals:
        code = _run(arguments, signals)
        if signals.code and arguments is None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code


def single_values(arguments: Sequence[str]) -> Iterator[tuple[slice, str, str]]:
    """Every option among the arguments that counts once: where it stands, its first name, its value.

    The value of a switch is the name it was given by, such as --no-resume. Options that may be repeated are left out.
    """
    command, place = typer.main.get_command(app), 0
    while (below := getattr(command, "commands", None)) is not None:
        if place == len(arguments) or arguments[place] not in below:
            return  # a typing error, or an option of the group: it is told elsewhere
        command, place = below[arguments[place]], place + 1
    options = [one for one in command.params if one.param_type_name == "option" and not one.multiple]
    known = {name: option for option in options for name in (*option.opts, *option.secondary_opts)}
    while place < len(arguments) and arguments[place] != "--":
        name, equals, value = arguments[place].partition("=")
        first, option = place, known.get(name)
        apart = option is not None and not option.is_flag and not equals  # type: ignore[attr-defined]
        place += 2 if apart else 1
        if option is not None and place <= len(arguments):
            given = arguments[place - 1] if apart else value if equals else name
            yield slice(first, place), option.opts[0], given


def _refuse_repeated(arguments: Sequence[str]) -> None:
    """Complain about an option that counts once and is given with two values: a mistake, or meant as a list.

    Raises:
        ValueError: naming it with both values.
    """
    values: dict[str, str] = {}
    for _, name, value in single_values(arguments):
        if values.setdefault(name, value) != value:
            raise ValueError(f"{name} takes one value, got {values[name]} and {value}")


def _run(arguments: Sequence[str] | None, signals: _Signals) -> int:
    message = ""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # without a home it says at length where it keeps its fonts
    try:
        given = sys.argv[1:] if arguments is None else arguments
        given, level = event_log.split_level(given, os.environ)  # a run's command is kept without it
        given = renamed(given)
        _refuse_repeated(given)
        given = with_preset(given)
        with event_log.events_logged(level):
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
    except MachineFault as error:
        code, message = EXIT_CODE, str(error)
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
        code = signals.code or INTERRUPTED
        print(STOPPED, file=sys.stderr)
    elif message:
        print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
