"""Watching: a run in this terminal, or a run or a folder of them in a browser, until somebody stops it."""

from pathlib import Path

from rich.console import Console

from zoo.live.server import LOOPBACK, Server, Site
from zoo.live.snapshot import run_at
from zoo.live.terminal import watch_in_terminal


def watch_run(folder: Path, console: Console, *, web: bool, host: str = LOOPBACK, port: int = 0) -> None:
    """Show a run.

    Args:
        folder: of the run.
        console: where it is shown, or where its address is.
        web: whether it is shown in a browser.
        host: to listen at.
        port: to listen at; 0: any that is free.

    Raises:
        ValueError: if there is no run, or its journal cannot be read.
    """
    if web:
        from zoo.live.run_site import RunSite

        serve(RunSite(run_at(folder)), console, host, port)
    else:
        watch_in_terminal(folder, console)


def serve_folder(folder: Path, console: Console, host: str = LOOPBACK, port: int = 0) -> None:
    """Show the runs of a folder in a browser.

    Raises:
        ValueError: if there is no such folder.
    """
    from zoo.live.folder_site import FolderSite

    serve(FolderSite(folder), console, host, port)


def serve(site: Site, console: Console, host: str, port: int) -> None:
    """Serve a site until Ctrl-C; its address is a line."""
    server = Server(site, host, port)
    try:
        console.print(f"Open {server.address} in a browser; Ctrl-C ends it.", markup=False, soft_wrap=True)
        if server.token:
            console.print("Whoever has this address can read the run; nothing is encrypted.", markup=False)
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.stopped.set()
        server.server_close()
