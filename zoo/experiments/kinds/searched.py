"""The report of any search that has none of its own: its trials, and the best accuracy so far."""

from functools import partial
from typing import TYPE_CHECKING

from zoo.experiments.kinds.trained import kept_summary, line_charts, measured_frame, run_page, say_sentences
from zoo.experiments.overview import best_said
from zoo.experiments.report import Report
from zoo.pages.written import percent

if TYPE_CHECKING:
    import pandas as pd

    from zoo.experiments.run import Run

COLUMNS = ("index", "role", "setting", "ok", "accuracy", "best", "reason")
"""Of the page's table; the other metrics of the records follow them."""
APART = ("start", "stop", "resumes", "parent", "keep", "key", "epochs_paid", "checkpoint", "batch", "attempt", "host")
"""What the page's table leaves out; the file beside it has it."""
PANELS = (("Search", "validation accuracy", ("best", "accuracy")),)


def search_report(run: "Run") -> Report:
    """The table of a run's trials, the curve of the best accuracy so far, and the model it ends with.

    Raises:
        ValueError: if nothing has been measured yet.
    """
    frame = _with_best(measured_frame(run))
    kept, status = kept_summary(run.folder), run.status
    best, failed = status["best"], status["failed"]
    sentences = [f"none of {len(frame)} trials has an accuracy"]
    if best is not None:
        sentences = [f"best of {len(frame)} trials: {best_said(best)}"]
    if failed:
        sentences.append(f"{failed} trials failed")
    if kept:
        validation, test = (percent(kept[name], 2) for name in ("accuracy", "test_accuracy"))
        sentences.append(f"the model: validation {validation}, test {test}")
    shown = [*COLUMNS, *(name for name in frame.columns if name not in (*COLUMNS, *APART))]
    curve = partial(line_charts, frame, "index", PANELS)
    return Report(
        summary={"trials": len(frame), "failed": failed, "best": best, **kept},
        tables={"trials": frame},
        page=run_page(run, sentences, curve, frame[[name for name in shown if name in frame]]),
        files={"trials.csv": frame.to_csv(index=False, lineterminator="\n")},
        show=lambda console: say_sentences(sentences, run, console),
    )


def _with_best(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with a column of the highest accuracy up to each trial, where there are accuracies."""
    if "accuracy" not in frame:
        return frame
    return frame.assign(best=frame["accuracy"].astype(float).cummax().ffill())
