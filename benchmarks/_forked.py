"""A process that runs commands of one tree's command line, each in a fork of its own.

Run as ``python -P _forked.py`` with the tree as PYTHONPATH. What takes seconds to import is imported once, before the
forks; the tree's own modules are imported, and everything is computed, in a fork, as in a process of its own. It first
writes where it finds the tree's code; then it reads lines of JSON, [arguments, a path], writes what a command says to
the path with ".out" and ".err", and answers with the exit code. It ends with its input.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import runpy
import sys
import traceback

PACKAGE, MODULE = "zoo", "zoo.cli"
HEAVY = (
    "torch", "torch._dynamo", "torch.fx.experimental.symbolic_shapes", "torchvision", "pandas", "scipy.stats",
    "sklearn.datasets", "matplotlib.figure", "jinja2", "rich.progress", "typer",
)  # fmt: skip


def serve() -> None:
    """Answer commands until there are no more."""
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    found = importlib.util.find_spec(PACKAGE)
    print(json.dumps(None if found is None else found.origin), flush=True)
    for line in sys.stdin:
        arguments, said = json.loads(line)
        child = os.fork()
        if not child:
            os._exit(command(arguments, said))
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


def command(arguments: list[str], said: str) -> int:
    """Run one command as ``python -m`` would; returns its exit code."""
    for number, path, mode in ((0, os.devnull, "rb"), (1, f"{said}.out", "wb"), (2, f"{said}.err", "wb")):
        with open(path, mode) as file:
            os.dup2(file.fileno(), number)
    sys.argv = [MODULE, *arguments]
    code: object = 0
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve()
