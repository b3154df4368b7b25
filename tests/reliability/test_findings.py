"""What a study found, from trials and records without any training; its tables and its overview in a terminal."""

import io
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from zoo.population import ProxySetting, Record
from zoo.population.trial import TRAIN_LOSSES, TRAINING
from zoo.reliability.advice import unfinished, use
from zoo.reliability.findings import Design, find
from zoo.reliability.looks import Judge, Look, Rule
from zoo.reliability.measured import Measured
from zoo.reliability.overview import show_findings
from zoo.reliability.signal import SIGNALS, metric_signal
from zoo.reliability.study import REFERENCE, Study
from zoo.reliability.tables import candidates_frame, differences_frame, entropy_frame, recommendation_dict
from zoo.spaces import ECONAS_ZOO
from zoo.spaces.cost import cost
from zoo.spaces.skeleton import Skeleton

GOAL = ProxySetting.parse("c0r0s0e8")
GRID = tuple(ProxySetting.parse(text) for text in ("c4r0s0e4", "c2r0s0e4"))
SLOW, FAST = map(str, reversed(GRID))
SKELETON = Skeleton(channels=8, cells=5, resolution=16, in_channels=1, classes=10)
IMAGES = {0: 400, 1: 200}


@dataclass
class Held:
    """As much of a journal as findings read."""

    asked: list = field(default_factory=list)
    told: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    identity: dict = field(default_factory=dict)

    def trials(self):
        return self.asked

    def records(self):
        return self.told

    def get(self, name):
        return self.values.get(name)


def design(**changes):
    usual = Design(settings=GRID, reference=GOAL, repeats=2, skeleton=SKELETON, seed=0)
    return replace(usual, **changes)


def measure(trial, *, curves=True):
    """The record of a trial: larger networks are better, a setting adds noise, its loss less than its accuracy."""
    rng = np.random.default_rng(trial.index)
    quality = np.log(cost(trial.genotype, SKELETON).params) / 20 + 0.2 * int(trial.genotype.key[:6], 16) / 16**6
    if trial.measure != TRAINING:
        value = quality + 0.1 * rng.standard_normal()
        return Record(index=trial.index, ok=True, metrics={trial.measure: value, "macs": 1.0}, seconds=0.25)
    noise = 0.002 if trial.role == REFERENCE else 0.01 * (1 + trial.setting.c)
    accuracy = quality + noise * rng.standard_normal()
    loss = 1 - quality - 0.3 * noise * rng.standard_normal()
    metrics = {"accuracy": accuracy, "balanced_accuracy": accuracy, "loss": loss, "train_loss": loss + 0.1}
    notes = {TRAIN_LOSSES: [2.0, 1.5, 1.0, metrics["train_loss"]]} if curves else {}
    epochs = trial.setting.e
    return Record(index=trial.index, ok=True, metrics=metrics, epochs_paid=epochs, seconds=2.0, notes=notes)


def run(study, wanted=None, measured=measure, **values):
    """A study that was asked and told until it ended, or had so many trials."""
    held = Held()
    while (wanted is None or len(held.asked) < wanted) and (trials := study.ask(1, len(held.asked))):
        held.asked += trials
        records = [measured(trial) for trial in trials]
        held.told |= {record.index: record for record in records}
        study.tell(records)
    decided = [decision.to_dict() for decision in study.decisions]
    held.values = {
        "data": {"images": {str(level): count for level, count in IMAGES.items()}, "validation": 500},
        "growth": [24],
        "about": {},
        "command": ["zoo", "study"],
        **({"looks": decided} if decided else {}),
        **values,
    }
    return held


def study(models=24, repeats=2, batch=1, **options):
    sizes = models if isinstance(models, tuple) else (models,)
    return Study(ECONAS_ZOO, GRID, GOAL, repeats=repeats, growth=sizes, batch=batch, seed=0, **options)


@pytest.fixture(scope="module")
def whole():
    return run(study(scores=("snip", "odd")))


@pytest.fixture(scope="module")
def found(whole):
    scores = (metric_signal("snip", "sensitivity"), metric_signal("odd", "less is better", lower=True))
    return find(whole, design(scores=scores), target=0.7, resamples=200)


# ---------------------------------------------------------------- candidates


def test_candidates_are_settings_slow_first_by_every_signal_then_scores_then_counts(found):
    signals = list(SIGNALS)
    trained = [f"{setting} by {signal}" for setting in (SLOW, FAST) for signal in signals]
    assert [one.name for one in found.candidates] == [*trained, "snip", "odd", "macs", "params"]
    assert (found.trained, found.free) == (found.candidates[:12], found.candidates[12:])
    assert [one.words for one in found.free] == [
        "sensitivity", "less is better", "multiply-accumulates of an image", "parameters",
    ]  # fmt: skip
    speeds = [one.acceleration for one in found.trained]
    assert speeds == sorted(speeds)
    assert len(set(speeds)) == 2
    # a score costs a pass of 64 images, a count one of one image
    assert [one.acceleration for one in found.free] == [400 * 8 / 64] * 2 + [400 * 8] * 2
    assert [one.counted for one in found.free] == [False, False, True, True]


def test_every_value_is_that_of_its_record_turned_so_that_more_is_better(whole, found):
    for one in found.candidates[:12]:
        records = [
            whole.told[trial.index]
            for trial in whole.asked
            if trial.setting == one.setting and trial.role != REFERENCE and trial.measure == TRAINING
        ]
        assert one.values == tuple(SIGNALS[one.signal].score(record) for record in records)
        assert one.lower == SIGNALS[one.signal].lower
        assert (one.seconds, one.score.networks) == (2.0, 24)
        assert one.accuracy == pytest.approx(np.mean([record.metrics["accuracy"] for record in records]))
    snip, odd, macs, params = found.free
    scored = [whole.told[trial.index].metrics["odd"] for trial in whole.asked if trial.measure == "odd"]
    assert odd.values == tuple(-value for value in scored)
    assert odd.lower
    assert snip.rho > 0 > odd.rho
    assert snip.seconds == 0.25
    assert math.isnan(macs.seconds)
    assert math.isnan(snip.accuracy)
    assert params.values == tuple(float(cost(genotype, SKELETON).params) for genotype in found.genotypes)


def test_each_signal_is_compared_with_accuracy_at_its_setting(found):
    assert [(one.first, one.second) for one in found.differences] == [
        (f"{setting} by {signal}", f"{setting} by accuracy") for setting in (SLOW, FAST) for signal in list(SIGNALS)[1:]
    ]
    rho = {one.name: one.rho for one in found.candidates}
    for one in found.differences:
        assert one.spearman.value == pytest.approx(rho[one.first] - rho[one.second])


def test_the_leading_candidate_of_a_setting_is_the_recommended_else_the_best(found):
    assert found.chosen is not None
    assert found.chosen in found.leading
    assert [one.setting for one in found.leading] == [GRID[1], GRID[0]]
    none = replace(found, recommendation=replace(found.recommendation, index=None))
    assert none.chosen is None
    assert [one.rho for one in none.leading] == [max(one.rho for one in found.trained[i : i + 6]) for i in (0, 6)]
    worst = min(range(6), key=lambda i: found.candidates[i].rho)
    other = replace(found, recommendation=replace(found.recommendation, index=worst))
    assert other.leading == (found.candidates[worst], none.leading[1])


def test_the_answer_is_used_by_a_search(found):
    setting, signal = found.chosen.setting, found.chosen.signal
    stages = "--stages 2 --parents 8,8 --promotions 8"
    expected = f"thriftnas econas search --setting {setting} --signal {signal} {stages} --reference c0r0s0e8"
    assert use(found) == expected  # an invented study has no images and no recipe
    free = replace(found, recommendation=replace(found.recommendation, index=14))
    assert use(free) == use(replace(found, recommendation=replace(found.recommendation, index=None))) == ""


def test_signals_that_were_not_recorded_are_no_candidates():
    old = run(study(8), measured=lambda trial: measure(trial, curves=False), growth=[8])
    names = [one.name for one in find(old, design(), resamples=100).candidates]
    assert names == [
        *(f"{setting} by {signal}" for setting in (SLOW, FAST) for signal in list(SIGNALS)[:4]), "macs", "params",
    ]  # fmt: skip
    signals = ("loss", "accuracy")
    names = [one.name for one in find(old, design(signals=signals), resamples=100).candidates]
    assert names[:2] == [f"{SLOW} by loss", f"{SLOW} by accuracy"]
    with pytest.raises(ValueError, match="signal: expected"):
        find(old, design(signals=("luck",)), resamples=100)


def test_a_failed_network_is_ranked_last_and_a_setting_where_all_failed_is_still_there():
    def failing(trial):
        lost = trial.setting == GRID[0] or (trial.setting == GRID[1] and trial.index < 6)
        return Record(index=trial.index, ok=False, reason="diverged") if lost else measure(trial)

    found = find(run(study(8), measured=failing, growth=[8]), design(), resamples=100)
    names = [one.name for one in found.candidates]
    assert names == [*(f"{SLOW} by {signal}" for signal in SIGNALS), f"{FAST} by accuracy", "macs", "params"]
    assert [one.score.failed for one in found.trained] == [1] * 6 + [8]
    assert math.isnan(found.trained[-1].rho)
    assert math.isnan(found.trained[-1].accuracy)
    assert len(found.failures) == found.totals["failed"] == 9


def test_counts_that_were_asked_for_as_scores_are_there_once():
    held = run(study(6, scores=("params",)), growth=[6])
    names = [one.name for one in find(held, design(), resamples=100).free]
    assert names == ["params", "macs"]


# ---------------------------------------------------------------- unfinished, grown, dropped


@pytest.mark.parametrize("batch", [1, 4])
def test_networks_in_the_middle_of_their_settings_drop_none(batch):
    held = run(study(12, batch=batch))
    for wanted in range(8 * 4, 12 * 4 + 1):
        zoo = Measured(Held(held.asked[:wanted], {i: held.told[i] for i in range(wanted)}), GRID, 2)
        assert zoo.settings == list(GRID)
        assert len(zoo.genotypes) == (wanted // 4 if batch == 1 else 8 + max(0, wanted - 44))
    early = find(run(study(12, batch=batch), 40, growth=[12]), design(), resamples=100)
    assert unfinished(early).startswith(f"Not finished: {len(early.genotypes)} of 12 networks")


def test_nothing_is_found_before_one_network_is_measured():
    with pytest.raises(ValueError, match="no network has been measured at every setting yet"):
        find(run(study(), 3), design(), resamples=100)


def test_with_more_repeats_those_networks_count_that_have_them():
    grown = Study(ECONAS_ZOO, GRID, GOAL, repeats=(2, 3), growth=(6, 6), seed=0)
    before = find(run(grown, 6 * 4 + 2, growth=[6, 6]), design(repeats=3), resamples=100)
    assert [len(row) for row in before.reference_accuracies] == [3, 3]
    assert unfinished(before) == "Not finished: 2 of 6 networks are measured at every setting so far"
    grown = Study(ECONAS_ZOO, GRID, GOAL, repeats=(2, 3), growth=(6, 6), seed=0)
    after = find(run(grown, growth=[6, 6]), design(repeats=3), resamples=100)
    assert np.shape(after.reference_accuracies) == (6, 3)
    assert not unfinished(after)


def hopeless(trial):
    """At the fast setting nothing is like the reference."""
    record = measure(trial)
    if trial.setting == GRID[0]:
        values = np.random.default_rng(trial.index).random(4)
        names = ("accuracy", "balanced_accuracy", "loss", "train_loss")
        return replace(record, metrics=dict(zip(names, values.tolist(), strict=True)), notes={})
    return record


def judged(looks, target=0.9):
    rule = Rule(target=target, at_least=1.0, resamples=200)
    return Judge(looks=looks, rule=rule, design=design(), images=IMAGES, metric="accuracy")


def test_a_setting_that_was_dropped_at_a_look_is_no_candidate():
    looks = (Look(16, 0.99, False), Look(20, 0.96, True))
    held = run(study(20).until(judged(looks, 0.995)), measured=hopeless, growth=[20])
    (first, last) = held.values["looks"]
    assert (first["answer"], first["dropped"]) == ("open", [FAST])
    found = find(held, design(), target=0.995, resamples=200)
    assert {str(one.setting) for one in found.trained} == {SLOW}
    assert len(found.genotypes) == last["networks"] == 20
    assert len(found.about["looks"]) == 2
    assert f"{FAST} cannot reach the target" in found.about["looks"][0]
    assert not unfinished(found)


def test_the_answer_of_a_study_that_has_decided_is_that_of_its_last_look():
    looks = (Look(12, 0.97, False), Look(24, 0.98, True))
    held = run(study(24).until(judged(looks, 0.5)), growth=[24])
    (decided,) = held.values["looks"]
    assert (decided["answer"], decided["networks"]) == ("safe", 12)
    found = find(held, design(), target=0.5, resamples=200)
    assert found.chosen.name == decided["candidate"]
    assert found.recommendation.promised == decided["rho"]
    assert "97 % confidence" in found.recommendation.sentence
    assert not unfinished(found)  # it is to have no more than the look wanted


# ---------------------------------------------------------------- tables and the terminal


def test_the_table_of_candidates_has_all_measures_and_ends_with_the_placebo(found):
    frame = candidates_frame(found)
    intervals = ("spearman", "beyond_macs", "tolerant", "kendall", "top_k", "holds_best", "regret")
    ends = [name + end for name in intervals for end in ("", "_low", "_high")]
    others = ["setting", "signal", "acceleration", "bound", "corrected", "k", "accuracy", "seconds", "networks"]
    others += ["speedup", "reference_seconds"]
    assert set(frame.columns) == {*ends, *others, "failed", "reason"}
    assert list(frame.signal) == [*list(SIGNALS) * 2, "snip", "odd", "macs", "params", "placebo"]
    assert list(frame.setting) == [SLOW] * 6 + [FAST] * 6 + [""] * 5
    for one, row in zip(found.candidates, frame.to_dict("records"), strict=False):
        assert (row["spearman"], row["bound"], row["k"], row["networks"]) == (one.rho, one.bound, 6, 24)
        assert (row["holds_best_low"], row["regret"]) == (one.score.holds_best.low, one.score.regret.value)
    placebo = frame.iloc[-1]
    assert (placebo.beyond_macs, placebo.beyond_macs_low) == (found.placebo.value, found.placebo.low)
    assert placebo.beyond_macs_low <= 0 <= placebo.beyond_macs_high
    assert (
        placebo.drop(["setting", "signal", "reason", "beyond_macs", "beyond_macs_low", "beyond_macs_high"]).isna().all()
    )
    text = frame.to_csv(index=False)
    assert f"{SLOW},accuracy," in text
    assert ",24,0," in text  # whole numbers stay whole
    assert json.loads(frame.to_json(orient="records"))[-1]["spearman"] is None


def test_the_table_of_differences_names_settings_and_signals(found):
    frame = differences_frame(found)
    assert list(frame.columns) == ["setting", "signal", "against", "difference", "low", "high"]
    assert list(frame.signal) == list(SIGNALS)[1:] * 2
    assert set(frame.against) == {"accuracy"}
    assert list(frame.difference) == [one.spearman.value for one in found.differences]
    empty = differences_frame(replace(found, differences=()))
    assert (len(empty), list(empty.columns)) == (0, list(frame.columns))
    assert list(entropy_frame(found).factor) == ["c"]


def test_the_answer_is_json(found):
    answer = recommendation_dict(found)
    json.dumps(answer, allow_nan=False)
    chosen = found.chosen
    assert (answer["setting"], answer["signal"], answer["name"]) == (str(chosen.setting), chosen.signal, chosen.name)
    assert (answer["spearman"], answer["corrected"]) == (chosen.rho, chosen.score.corrected)
    assert answer["promised"] == found.recommendation.promised
    assert (answer["networks"], answer["repeats"], answer["reference"]) == (24, 2, "c0r0s0e8")
    assert answer["needed_repeats"] is None
    none = recommendation_dict(replace(found, recommendation=replace(found.recommendation, index=None, promised=None)))
    assert [none[name] for name in ("setting", "signal", "name", "acceleration", "spearman", "corrected")] == [None] * 6
    free = recommendation_dict(replace(found, recommendation=replace(found.recommendation, index=14)))
    assert (free["setting"], free["signal"], free["name"]) == (None, "macs", "macs")
    assert answer.keys() == none.keys() == free.keys()


def shown(found, width=100):
    stream = io.StringIO()
    show_findings(
        found, Path("runs/photos"), Console(file=stream, width=width, force_terminal=True, color_system="standard")
    )
    return stream.getvalue()


def plain(text):
    return "".join(part.partition("m")[2] if i else part for i, part in enumerate(text.split("\x1b[")))


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_overview_has_a_line_for_every_setting_and_fits(found, width):
    long = replace(found.candidates[1], setting=ProxySetting.parse("c4r4s1e600"), acceleration=99999.0)
    low = replace(long.score, spearman=replace(long.score.spearman, value=-0.25, low=-0.55, high=-0.11), k=25)
    wide = replace(found, candidates=(replace(long, score=low), *found.candidates))
    text = shown(wide, width)
    lines = plain(text).splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("Ceiling"))]
    assert max(len(line.rstrip()) for line in table) <= min(width, 100)
    assert "…" not in text
    assert sum(line.startswith("c") for line in table) == 4  # the reference among them
    (slow,) = [line for line in table if line.startswith(SLOW)]
    leading = found.leading[0]
    assert leading.signal in slow
    assert (f"{found.candidates[0].rho:.2f} {leading.signal}" in slow) == (width >= 100)  # by accuracy
    assert f"{leading.rho:.2f} [{leading.score.spearman.low:.2f}, {leading.score.spearman.high:.2f}]" in slow


def test_the_overview_marks_the_answer_and_says_how_to_use_it(found):
    text = shown(found)
    marked = [line for line in text.splitlines() if "\x1b[1;32m" in line]
    assert len(marked) == 1
    assert plain(marked[0]).startswith(str(found.chosen.setting))
    assert found.chosen.signal in marked[0]
    dim = [plain(line).split()[0] for line in text.splitlines() if "\x1b[2m" in line]
    assert dim == ["snip", "odd", "macs", "params"]
    assert f"\n  {use(found)}\n" in plain(text)
    top = found.recommendation.ceiling
    assert (
        f"Ceiling (reliability of the mean of 2 trainings of the reference): {top.value:.2f} [{top.low:.2f}, "
        in plain(text)
    )
    assert " ".join(plain(text).split()).count(found.recommendation.sentence) == 1


def test_an_unfinished_study_says_how_it_goes_on(found):
    early = replace(found, about={**found.about, "planned": 50})
    assert "24 of 50 networks are measured at every setting so far; thriftnas run resume runs/photos" in " ".join(
        plain(shown(early)).split()
    )
    looked = replace(found, about={**found.about, "looks": ["first", "After 24 networks: decided."]})
    assert "After 24 networks: decided." in plain(shown(looked))
    assert "first" not in shown(looked)
    early = replace(found, about={**found.about, "identity": {"strategy": {"until": "decided"}}})
    assert "none has been reached" in plain(shown(early))
