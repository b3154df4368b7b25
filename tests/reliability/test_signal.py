"""Signals: which number of a record ranks networks, and which way."""

import math

import pytest

from tests.installed import install
from zoo.population.trial import TRAIN_LOSSES, Record
from zoo.reliability.signal import ADDED_SIGNALS, SIGNALS, Signal, find_signal, metric_signal

HERE = "tests.reliability.test_signal"
METRICS = {"accuracy": 0.7, "balanced_accuracy": 0.6, "loss": 0.9, "train_loss": 0.5, "images": 40}


def record(losses=(), ok=True, epochs=3.0, **metrics):
    notes = {TRAIN_LOSSES: list(losses)} if losses else {}
    if not ok:
        return Record(index=0, ok=False, reason="diverged", notes=notes)
    return Record(index=0, ok=True, metrics=METRICS | metrics, epochs_paid=epochs, notes=notes)


def test_more_is_better_of_an_accuracy_and_less_of_a_loss():
    found = {name: signal.score(record([3.0, 2.0, 1.0])) for name, signal in SIGNALS.items()}
    assert found == {
        "accuracy": 0.7,
        "balanced_accuracy": 0.6,
        "loss": -0.9,
        "train_loss": -0.5,
        "train_loss_sum": -6.0,
        "train_loss_late": -3.0,
    }


@pytest.mark.parametrize(
    ("losses", "late"), [([4.0], 4.0), ([4.0, 2.0], 2.0), ([4.0, 2.0, 1.0], 3.0), ([8.0, 4.0, 2.0, 1.0], 3.0)]
)
def test_late_is_the_last_half_of_the_epochs(losses, late):
    assert find_signal("train_loss_late").score(record(losses)) == -late
    assert find_signal("train_loss_sum").score(record(losses)) == -sum(losses)


def test_without_its_note_a_sum_over_epochs_is_unknown_but_for_a_single_epoch():
    for name in ("train_loss_sum", "train_loss_late"):
        assert math.isnan(find_signal(name).score(record()))
        assert find_signal(name).score(record(epochs=1.0)) == -0.5


def test_what_was_not_measured_and_what_failed_has_no_number():
    bare = Record(index=0, ok=True, metrics={"accuracy": 0.7})
    for name, signal in SIGNALS.items():
        assert math.isnan(signal.score(record([1.0], ok=False)))
        assert math.isnan(signal.score(bare)) == (name != "accuracy")


def test_a_score_is_read_from_the_metric_of_its_name():
    assert metric_signal("snip", "words").score(record(snip=3.0)) == 3.0
    assert metric_signal("snip", "words", lower=True).score(record(snip=3.0)) == -3.0
    assert math.isnan(metric_signal("zico", "words").score(record(snip=3.0)))


def test_an_unknown_name_is_one_line_with_those_there_are():
    with pytest.raises(ValueError, match=r"signal: expected accuracy, .* or train_loss_late, got 'luck'") as error:
        find_signal("luck")
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- of installed packages


def _ratio(record):
    return record.metrics["accuracy"] / record.metrics["loss"]


def _broken(record):
    raise RuntimeError("two\nlines")


margin = Signal("margin", "accuracy by loss", _ratio)
gap = Signal("gap", "what is missing", lambda record: 1 - record.metrics["accuracy"], lower=True)
word = Signal("word", "no number", lambda record: "much")
endless = Signal("endless", "no finite number", lambda record: math.inf)
broken = Signal("broken", "fails", _broken)
other = Signal("another", "not its name", _ratio)
plain = _ratio
NAMES = ("margin", "gap", "word", "endless", "broken", "other", "plain", "absent")


@pytest.fixture
def _installed(monkeypatch):
    find_signal.cache_clear()
    install(monkeypatch, ADDED_SIGNALS, {name: f"{HERE}:{name}" for name in NAMES} | {"accuracy": f"{HERE}:gap"})
    yield
    find_signal.cache_clear()


@pytest.mark.usefixtures("_installed")
def test_a_signal_of_an_installed_package_ranks_as_ours_do():
    assert find_signal("margin").score(record()) == pytest.approx(0.7 / 0.9)
    assert find_signal("gap").score(record()) == pytest.approx(-0.3)
    assert find_signal("accuracy") is SIGNALS["accuracy"]  # ours cannot be replaced
    assert math.isnan(find_signal("margin").score(record(ok=False)))
    with pytest.raises(ValueError, match=r"expected accuracy, .*, other, plain or word, got 'luck'"):
        find_signal("luck")


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("word", "the signal 'word' must be a finite number or None, got 'much'"),
        ("endless", "the signal 'endless' must be a finite number or None, got inf"),
        ("broken", "the signal 'broken' failed: RuntimeError: two lines"),
    ],
)
def test_a_signal_that_gives_no_number_is_said_in_one_line(name, said):
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the whole message is compared
        find_signal(name).score(record())
    assert str(error.value) == said


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("name", "said"),
    [("other", "must be a Signal of that name"), ("plain", "must be a Signal of that name"), ("absent", "be loaded")],
)
def test_what_is_no_signal_is_refused(name, said):
    with pytest.raises(ValueError, match=said) as error:
        find_signal(name)
    assert "\n" not in str(error.value)
    assert f"the signal {name!r} of {HERE}:{name}" in str(error.value)
