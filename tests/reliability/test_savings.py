"""What a study says that a cheap setting saves: by count, and by the clock."""

from dataclasses import replace

from tests.reliability.test_findings import FAST, GOAL, SLOW, design, measure, plain, run, shown, study
from zoo.reliability.findings import find
from zoo.reliability.report import findings_page
from zoo.reliability.tables import recommendation_dict


def test_what_is_saved_is_said_in_macs_and_by_the_clock():
    """MACs and seconds stand side by side, with the reference's seconds; on request the answer saves most seconds."""

    def timed(trial):
        seconds = {str(GOAL): 40.0, SLOW: 4.0, FAST: 8.0}.get(str(trial.setting), 1.0)  # fewer MACs, and yet slower
        return replace(measure(trial), seconds=seconds)

    held = run(study(), measured=timed)
    counted = find(held, design(), target=0.3, resamples=200)
    slow = next(one for one in counted.candidates if str(one.setting) == SLOW)
    assert (counted.reference_seconds, counted.chosen.speedup, slow.speedup) == (40.0, 5.0, 10.0)
    assert str(counted.chosen.setting) == FAST
    assert "times cheaper than the reference in MACs and 5 times faster by the clock" in counted.recommendation.sentence
    seconds = find(held, design(), target=0.3, resamples=200, cost="seconds")
    assert str(seconds.chosen.setting) == SLOW
    assert seconds.recommendation.bounds.tolist() == counted.recommendation.bounds.tolist()
    told = recommendation_dict(seconds)
    assert [told[name] for name in ("speedup", "seconds", "reference_seconds", "cost")] == [10, 4, 40, "seconds"]
    lines = plain(shown(counted)).splitlines()
    assert next(line for line in lines if line.startswith(str(GOAL))).split()[1:4] == ["1×", "40", "s"]
    assert next(line for line in lines if line.startswith(FAST)).split()[2] == "5×"
    page = findings_page(counted)
    assert "cheaper (MACs)" in page
    assert "8.00 s a network instead of 40.00 s" in page
