"""The answer of a search in a sentence, what is known of the winner beside a baseline, and where it comes from."""

import math

from econas.history.history import History
from econas.history.lineage import Ancestor, lineage
from zoo.experiments.kinds.compared import comparison_remark
from zoo.pages.written import percent
from zoo.reliability.signal import ACCURACY


def sentence(found: History) -> str:
    """The answer."""
    winner = found.winner
    if winner is None:
        return f"Nothing was found: all {len(found.trainings)} trainings failed."
    trial = winner.trial
    tested = f", {percent(found.tested)} on the test images" if math.isfinite(found.tested) else ""
    so_far = " so far" if found.unfinished else ""
    if found.retrained:
        return (
            f"The best network{so_far} has {percent(winner.judged)} {found.terms.judged} after retraining "
            f"at {trial.setting}{tested}."
        )
    how = f"{trial.stop} of {trial.setting.e} epochs" if trial.setting and trial.stop < trial.setting.e else ""
    how = how or f"{trial.stop} epochs"
    by = "" if found.terms.signal.name == ACCURACY else f" by {found.terms.ranked}"
    end = next((one.curve[-1] for one in found.finalists if one.network == winner.network), None)
    going = "; it has not been retrained"
    if end is not None:
        going = "; its retraining failed" if end.state == "failed" else "; its retraining has not ended"
    elif found.terms.parameters is not None and not found.terms.parameters.retrained:
        going = ""  # nothing is to be retrained
    return (
        f"The best network{so_far}{by} has {percent(winner.accuracy)} {found.terms.accuracy} after {how} at "
        f"{trial.setting}{tested}{going}."
    )


def remark(found: History) -> str:
    """What is known of the winner beside a network that needs no search; empty where there is no such thing."""
    if found.terms.compare is None or not found.retrained or found.winner is None or found.unfinished:
        return ""
    return comparison_remark([one.trial for one in found.trainings], found.winner.trial, found.compared)


def winning_lineage(found: History) -> list[Ancestor]:
    """The ancestors of the winner, the random one first; empty without a winner."""
    return [] if found.winner is None else lineage(found.networks, found.winner.network)
