"""An overview of a run: whether somebody runs it, how far it is, what has come of it, and which command is next."""

import shlex
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from zoo.experiments.heartbeat import PROGRESS, RUNNING
from zoo.experiments.kinds.trained import kept_summary
from zoo.experiments.run import FINISHED, Run
from zoo.files import parsed_json
from zoo.pages.written import metric, percent
from zoo.population.journal import FILE
from zoo.population.lock import is_held

DEEPEST = 3
"""Folders below the one that is listed."""


def overview(run: Run) -> dict[str, Any]:
    """What there is to know of a run at a glance, JSON-ready; null where unknown.

    ``state`` is running, finished, stopped (it ended in order and goes on by its command), or interrupted (its process
    was killed). ``share`` is the price of what is measured, of the price of everything, when that was last written.
    """
    with run.journal() as journal:
        finished, who = bool(journal.get(FINISHED)), journal.get(RUNNING)
        progress = journal.get(PROGRESS) or {}
    held = is_held(run.folder)
    state = "running" if held else "finished" if finished else "interrupted" if who else "stopped"
    who = who if held and who else {}
    share = 1.0 if finished else _share(progress)
    return {
        **run.status,
        "kind": run.kind,
        "state": state,
        "host": who.get("host"),
        "since": _moment(who.get("since")),
        "share": share,
        "eta_s": _left(progress) if held else None,
        "result": _result(run),
        "next": _next(run, state),
    }


def overview_text(run: Run) -> str:
    """The overview of a run for people: a line per fact."""
    lines = [f"{what:<8} {value}" for what, value in _facts(run, overview(run))]
    return "\n".join([f"{run.kind} in {run.folder}", *lines])


def _facts(run: Run, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    where = f" on {found['host']}" if found["host"] else ""
    since = f" since {found['since']}" if found["since"] else ""
    yield "state", f"{found['state']}{where}{since}"
    if found["share"] is not None:
        left = "" if found["eta_s"] is None else f", ETA {timedelta(seconds=round(found['eta_s']))}"
        yield "progress", f"{100 * found['share']:.0f} %{left}"
    for what in ("trials", "done", "failed", "pending"):
        yield what, str(found[what])
    yield "best", best_said(found["best"])
    if found["result"]:
        yield "result", found["result"]
    for fault in run.faults[-5:]:
        yield "fault", fault
    if found["next"]:
        yield "next", found["next"]


def best_said(best: Mapping[str, Any] | None) -> str:
    """The best trial of an overview, and what it is the best by."""
    if best is None:
        return "none yet"
    name = best.get("metric", "accuracy")
    shown = metric(name, best.get("value", best["accuracy"]))
    at = f", {best['setting']}" if best["setting"] else ""
    return f"{shown} {name.replace('_', ' ')} (trial {best['index']}{at})"


def listing_text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Runs of :func:`runs_below` for people: a line per run."""
    width, lines = max(map(len, found), default=0), []
    for name, one in found.items():
        if "error" in one:
            lines.append(f"{name:<{width}}  {one['error']}")
            continue
        share = "" if one["share"] is None else f"{100 * one['share']:.0f} %"
        line = f"{name:<{width}}  {one['kind']:<12} {one['state']:<11} {share:>5}  {one['result'] or ''}"
        lines.append(line.rstrip())
    return "\n".join(lines) or "no runs"


def runs_below(folder: Path) -> dict[str, dict[str, Any]]:
    """The overviews of the runs in a folder and in folders below it, by path; of one that cannot be read its "error".

    Raises:
        ValueError: if there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder, expected one that holds runs")
    patterns = ("/".join(["*"] * depth + [FILE]) for depth in range(DEEPEST + 1))
    found: dict[str, dict[str, Any]] = {}
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        try:
            found[str(path.parent)] = overview(Run(path.parent))
        except ValueError as error:
            found[str(path.parent)] = {"error": str(error)}
    return found


def _share(progress: Mapping[str, Any]) -> float | None:
    return min(1.0, progress["done"] / progress["total"]) if progress.get("total") else None


def _left(progress: Mapping[str, Any]) -> float | None:
    """Seconds to go, by the rate of the process that runs."""
    if not progress.get("total") or progress["done"] <= progress["first"]:
        return None
    rate = float(progress["done"] - progress["first"]) / max(1e-9, float(progress["at"] - progress["began"]))
    left = float(progress["total"] - progress["done"]) / rate
    return max(0.0, left - (time.time() - float(progress["at"])))


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _result(run: Run) -> str | None:
    """What a run has ended with: what its model reaches, or the answer of a study."""
    kept = kept_summary(run.folder)
    known = [(name, kept.get(key)) for name, key in (("validation", "accuracy"), ("test", "test_accuracy"))]
    words = [f"{name} accuracy {percent(value, 2)}" for name, value in known if isinstance(value, float)]
    return ", ".join(words) or _recommended(run)


def _recommended(run: Run) -> str | None:
    """The answer of a study."""
    if not run.finished:
        return None
    try:
        found = parsed_json((run.folder / "recommendation.json").read_text(encoding="utf-8"))
        return f"{found['name']}, rho at least {found['promised']:.2f}" if found["name"] else "no candidate is safe"
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _next(run: Run, state: str) -> str | None:
    word = {"running": None, "finished": "report"}.get(state, "resume")
    return None if word is None else f"thriftnas run {word} {shlex.quote(str(run.folder))}"
