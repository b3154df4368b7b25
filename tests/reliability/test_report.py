"""The report page: complete, self-contained, and whole whatever the study found."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reliability.pages import Page
from zoo.pages.written import interval, number, percent, signed
from zoo.population.proxy import ProxySetting, parse_grid
from zoo.reliability.advice import notes
from zoo.reliability.comparison import compare, difference
from zoo.reliability.correlation import resampled_entropy
from zoo.reliability.findings import COUNTS, FactorLine, Finding, Findings, candidate_name
from zoo.reliability.interval import Estimate, bootstrap, undefined
from zoo.reliability.recommendation import Candidate
from zoo.reliability.report import write_report
from zoo.reliability.signal import SIGNALS
from zoo.spaces import ECONAS_ZOO

undrawn = pytest.mark.usefixtures("without_drawing")  # for what a page says in words
NAN = math.nan
GRID = parse_grid("c{0,2}r0s0e4")


def findings(
    scores: np.ndarray[Any, Any],
    reference: np.ndarray[Any, Any],
    settings: list[ProxySetting],
    *,
    target: float = 0.8,
    **changes: Any,
) -> Findings:
    """The findings of a study: scores (settings, [signals,] networks), reference (networks, repeats)."""
    rng = np.random.default_rng(0)
    networks = len(reference)
    values = scores[:, None] if scores.ndim == 2 else scores
    places: list[tuple[ProxySetting | None, str]] = [
        (setting, signal) for setting in settings for signal in list(SIGNALS)[: values.shape[1]]
    ]
    speed = [2.0 * (1 + settings.index(setting)) for setting, _ in places if setting]
    candidates = [
        Candidate(candidate_name(*place), row, faster, SIGNALS[place[1]].words)
        for place, row, faster in zip(places, values.reshape(-1, networks), speed, strict=True)
    ]
    free = np.stack([np.arange(networks, dtype=float), np.zeros(networks)])
    candidates += [Candidate(name, row, 1000.0, trains=False) for name, row in zip(COUNTS, free, strict=True)]
    places += [(None, name) for name in COUNTS]
    compared = compare(
        candidates, reference, rng, target=target, tolerance=0.0015, control=free[0], resamples=100
    )  # fmt: skip
    accurate = range(0, len(speed), values.shape[1])
    found = tuple(
        Finding(
            setting=setting,
            signal=signal,
            words=candidates[i].words or COUNTS[signal],
            lower=setting is not None and SIGNALS[signal].lower,
            acceleration=candidates[i].acceleration,
            score=compared.scores[i],
            bound=float(compared.recommendation.bounds[i]),
            accuracy=float(values[i // values.shape[1], 0, 0]) if setting else NAN,
            seconds=1.5 if setting else NAN,
            values=tuple(candidates[i].values.tolist()),
        )
        for i, (setting, signal) in enumerate(places)
    )
    line = FactorLine(
        factor="c",
        fixed="r0s0e4",
        settings=tuple(settings[:2]),
        spearman=tuple(found[i].rho for i in accurate[:2]),
        entropy=bootstrap(resampled_entropy, values[:2, 0], reference.mean(axis=1), rng, 100, scale="percentile"),
    )
    whole = Findings(
        reference=ProxySetting.parse("c0r0s0e8"),
        repeats=reference.shape[1],
        genotypes=tuple(ECONAS_ZOO.sample(rng) for _ in range(networks)),
        reference_accuracies=tuple(map(tuple, reference.tolist())),
        candidates=found,
        differences=tuple(
            difference(candidates[i + more], candidates[i], reference, rng, 100)
            for i in accurate
            for more in range(1, values.shape[1])
        ),
        placebo=compared.placebo,
        lines=(line,),
        recommendation=compared.recommendation,
        metric="accuracy",
        failures=(),
        totals={"trainings": 7, "failed": 0, "epochs": 30, "seconds": 5400.0},
        about={
            "identity": {"strategy": {"name": "study", "seed": 5}, "setup": {"recipe": {"lr": 0.025}}},
            "data": {"name": "digits", "classes": ["cat", "dog"], "train": 100, "validation": 50},
            "versions": {"torch": "9.9.9"},
            "hardware": {"gpu": None, "cores": 2},
            "command": ["zoo", "study", "--setting", "c{0,2}r0s0e4"],
            "models": networks,
            "planned": networks,
        },
    )
    return replace(whole, **changes)


def good(networks: int = 24, seed: int = 1, **changes: Any) -> Findings:
    """A study in which the first setting ranks almost as the reference does, and the second at random."""
    rng = np.random.default_rng(seed)
    quality = rng.permutation(np.linspace(0.4, 0.8, networks))
    reference = quality[:, None] + rng.normal(0, 0.003, (networks, 2))
    scores = np.stack([quality - 0.1 + rng.normal(0, 0.003, networks), rng.random(networks)])
    return findings(scores, reference, parse_grid("c{0,2}r0s0e4"), **changes)


def page(found: Findings, folder: Path) -> tuple[str, Page]:
    write_report(found, folder / "report.html")
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_it_opens_with_the_answer_and_its_figures(tmp_path: Path) -> None:
    found = good()
    _, seen = page(found, tmp_path)
    answer = found.recommendation
    assert answer.index == 0
    assert answer.sentence in seen.text[:400]
    chosen = found.candidates[0]
    assert chosen is found.chosen
    opening = seen.text[: seen.text.index("The words used here")]
    tags = [tag for tag, _ in seen.tags]
    assert tags.index("h1") < tags.index("dl") < tags.index("section") < tags.index("svg")  # answer, tiles, what next
    for expected in (
        "thriftnas econas search --setting c0r0s0e4 --signal accuracy",
        "Recommended c0r0s0e4 by accuracy",
        f"Rank correlation ρ {number(chosen.score.spearman.value)}",
        f"ρ is at least {number(answer.promised)}",
        "Cheaper by 2.0×",
        f"Ceiling {number(answer.ceiling.value)}",
        "Networks 24",
    ):
        assert expected in opening


def test_a_warning_comes_before_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = findings(rng.random((2, 12)), rng.random((12, 2)), parse_grid("c{0,2}r0s0e4"))
    assert found.recommendation.warning
    _, seen = page(found, tmp_path)
    assert seen.text.startswith(found.recommendation.warning)
    _, calm = page(good(), tmp_path)
    assert not any(attributes.get("role") == "alert" for _, attributes in calm.tags)


def with_free(found: Findings, *rhos: Estimate) -> Findings:
    """The findings with scores without training that rank so well."""
    free = [replace(one, score=replace(one.score, spearman=rho)) for one, rho in zip(found.free, rhos, strict=False)]
    return replace(found, candidates=(*found.trained, *free))


@undrawn
def test_a_free_score_that_ranks_as_well_is_said_plainly(tmp_path: Path) -> None:
    found = good()
    assert not [note for note in notes(found) if "takes no training" in note]
    equal, known = found.candidates[0].score.spearman, Estimate(0.1, 0.0, 0.2)
    _, seen = page(with_free(found, equal, known), tmp_path)
    assert re.search(
        r"Counting macs \(ρ [01]\.\d\d\) ranks these networks as well as or better than the recommended "
        r"setting, c0r0s0e4 by accuracy",
        seen.text,
    )
    (said,) = notes(with_free(found, equal, equal))
    assert re.match(r"Counting macs \(ρ [01]\.\d\d\) and counting params \(ρ [01]\.\d\d\) rank these", said)
    assert not list(notes(with_free(found, undefined("ties"))))


@undrawn
def test_a_free_score_can_be_the_answer(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    quality = np.linspace(0, 1, 24)  # the networks get better as their number grows, and so do MACs here
    reference = quality[:, None] + rng.normal(0, 0.01, (24, 2))
    found = findings(rng.random((2, 24)), reference, GRID)
    assert found.chosen is found.free[0]
    assert found.recommendation.sentence.startswith("Rank networks by macs, without training: it ranks networks with")
    _, seen = page(found, tmp_path)
    assert "Recommended macs multiply-accumulates of an image, no training" in seen.text
    assert "Search with the recommended setting" not in seen.text
    assert "takes no training at all" not in seen.text
    assert "macs ★" in seen.text


def three_signals(**changes: Any) -> Findings:
    """A study whose loss ranks well, whose accuracy ranks worse, and whose balanced accuracy is the accuracy."""
    rng = np.random.default_rng(2)
    quality = rng.permutation(np.linspace(0.4, 0.8, 30))
    reference = quality[:, None] + rng.normal(0, 0.003, (30, 2))
    worse = quality + rng.normal(0, 0.2, (2, 30))
    scores = np.stack([worse, worse, np.stack([quality + rng.normal(0, 0.003, 30), worse[1]])], axis=1)
    return findings(scores, reference, GRID, **changes)


def test_a_signal_is_recommended_and_compared_with_accuracy(tmp_path: Path) -> None:
    found = three_signals()
    assert found.chosen is not None
    assert found.chosen.name == "c0r0s0e4 by loss"
    _, seen = page(found, tmp_path)
    assert "Search with c0r0s0e4 by loss (validation loss): 2 times cheaper" in seen.text[:400]
    assert "thriftnas econas search --setting c0r0s0e4 --signal loss" in seen.text
    (better,) = [one for one in found.differences if one.first == "c0r0s0e4 by loss"]
    assert signed(better.spearman) in seen.text
    bold = [number for number, (tag, _) in enumerate(seen.tags) if tag == "b"]
    assert len(bold) == 5 + 1  # the levels of a setting and the word bold; one difference leaves out zero
    assert "minus validation loss at c0r0s0e4" in seen.text


@undrawn
def test_the_placebo_stands_beside_what_candidates_say_beyond_macs(tmp_path: Path) -> None:
    found = good()
    _, seen = page(found, tmp_path)
    part = seen.text[seen.text.index("What they say beyond the number of MACs") : seen.text.index("Cheap against full")]
    for one in (*found.leading, *found.free):
        assert interval(one.score.beyond) in part
    assert f"placebo MACs with noise – – {interval(found.placebo)}" in part
    part = seen.text[seen.text.index("If only the best 6") : seen.text.index("What they say beyond")]
    for one in found.leading:
        assert interval(one.score.top_k) in part
        assert interval(one.score.holds_best) in part
        assert interval(one.score.regret, 2, 100) in part


def limited(found: Findings, ceiling: Estimate, **changes: Any) -> list[str]:
    """What is said below the answer, were that the ceiling."""
    return list(notes(replace(found, recommendation=replace(found.recommendation, ceiling=ceiling, **changes))))


def test_where_the_ceiling_is_the_limit_it_is_said_what_would_lift_it() -> None:
    found = good(12)
    assert list(notes(found)) == []
    (low,) = limited(found, Estimate(0.6, 0.2, 0.85), index=None, promised=None)
    # 2 · 0.8 · 0.4 / (0.6 · 0.2) = 5.33
    assert "About 6 trainings of every network would lift its reliability to 0.80" in low
    assert low.endswith("run the command again with --repeats 6.")
    (wide,) = limited(found, Estimate(0.9, 0.7, 0.97))
    # 2 · 0.8 · 0.3 / (0.7 · 0.2) = 3.43
    assert wide.startswith("The ceiling may lie below the target of 0.80: its interval begins at 0.70. About 4 train")
    assert re.search(r"--repeats 4\. About \d+ networks would help too: --models \d+\.$", wide)
    both = limited(found, Estimate(0.9, 0.7, 0.97), needed_networks=99)
    assert [re.findall(r"--models (\d+)", said) for said in both] == [[], ["99"]]  # the reader needs one number
    (hopeless,) = limited(found, Estimate(-0.1, -0.5, 0.4), index=None)
    assert "train the reference longer" in hopeless
    (many,) = limited(found, Estimate(0.1, -0.5, 0.4), index=None)
    assert "--repeats 72. Training it longer may cost less." in many
    assert list(notes(findings(*ODD["one repeat"], GRID)))[-1].endswith("run the command again with --repeats 2.")


def test_nothing_is_fetched_and_nothing_is_shared(tmp_path: Path) -> None:
    text, seen = page(good(), tmp_path)
    for tag, attributes in seen.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed"}
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_pictures_have_words_and_tables_have_headers(tmp_path: Path) -> None:
    _, seen = page(good(), tmp_path)
    pictures = [attributes for tag, attributes in seen.tags if tag == "svg"]
    assert len(pictures) == 2 + 2 + 1 + 2 * 24  # acceleration, scatter, for a narrow screen too; one factor; the cells
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)
    names = [tag for tag, _ in seen.tags]
    assert names.count("h1") == 1
    assert all(attributes["scope"] in {"col", "row"} for tag, attributes in seen.tags if tag == "th")


@undrawn
def test_the_table_has_every_candidate_with_what_it_is_sorted_by(tmp_path: Path) -> None:
    found = good()
    text, seen = page(found, tmp_path)
    assert len(found.candidates) == 4
    for one in found.candidates:
        assert f'data-value="{one.rho!r}"' in text or math.isnan(one.rho)
        assert interval(one.score.spearman) in seen.text
    assert "c0r0s0e4 ★" in seen.text
    assert "c2r0s0e4 ★" not in seen.text


@undrawn
def test_best_and_worst_networks_come_first_and_every_network_once(tmp_path: Path) -> None:
    found = good()
    _, seen = page(found, tmp_path)
    means = np.array(found.reference_accuracies).mean(axis=1)
    assert f"Best. Network {means.argmax() + 1}: {percent(means.max())}" in seen.text
    assert f"Worst. Network {means.argmin() + 1}: {percent(means.min())}" in seen.text
    assert "The other 22 networks" in seen.text
    headings = re.findall(r"Network (\d+): ", seen.text)
    assert sorted(map(int, headings)) == list(range(1, 25))


@undrawn
def test_what_was_run_is_there(tmp_path: Path) -> None:
    _, seen = page(good(failures=(("trial 3: proxy at c2r0s0e4", "loss is nan"),)), tmp_path)
    for expected in (
        "thriftnas zoo study --setting 'c{0,2}r0s0e4'",
        "hours 1.50",
        "torch 9.9.9",
        "gpu none",
        "seed 5",
        "recipe lr 0.025",
        "classes cat, dog",
        "trial 3: proxy at c2r0s0e4 loss is nan",
    ):
        assert expected in seen.text


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'&"
    found = good()
    found = replace(
        found,
        about={**found.about, "data": {"name": evil, "classes": [evil], evil: 1}, "command": ["zoo", evil]},
        failures=((evil, evil),),
        recommendation=replace(found.recommendation, sentence=evil, warning=evil),
    )
    text, seen = page(found, tmp_path)
    assert "<script>alert" not in text
    assert [tag for tag, _ in seen.tags].count("script") == 1
    assert seen.text.count("<script>alert(1)</script>") >= 7


@undrawn
def test_an_unfinished_study_says_so(tmp_path: Path) -> None:
    found = good(4)
    _, seen = page(replace(found, about={**found.about, "planned": 24}), tmp_path)
    assert "Not finished: 4 of 24 networks" in seen.text
    _, seen = page(found, tmp_path)
    assert "Not finished" not in seen.text


@undrawn
def test_many_failures_do_not_bury_the_page(tmp_path: Path) -> None:
    _, seen = page(good(4, failures=tuple((f"trial {i}", "diverged") for i in range(1000))), tmp_path)
    assert "trial 99 diverged" in seen.text
    assert "trial 100 diverged" not in seen.text
    assert "And 900 more" in seen.text


def test_a_page_of_the_size_of_a_real_study_stays_small_and_equal(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    grid = parse_grid("c{0,2,4}r{0,2,4}s{0,1}e{2,4}")
    found = findings(rng.random((36, 24)), rng.random((24, 2)), grid)
    first, _ = page(found, tmp_path)
    assert len(first.encode()) < 2_000_000
    second, _ = page(found, tmp_path)
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


ODD = {
    "one network": (np.full((2, 1), 0.5), np.full((1, 2), 0.5)),
    "two networks": (np.array([[0.1, 0.2], [0.2, 0.1]]), np.array([[0.1, 0.1], [0.2, 0.3]])),
    "one repeat": (np.random.default_rng(0).random((2, 6)), np.random.default_rng(1).random((6, 1))),
    "all failed at a setting": (np.array([[NAN] * 5, [0.1, 0.2, 0.3, 0.4, 0.5]]), np.arange(10.0).reshape(5, 2) / 10),
    "all failed": (np.full((2, 5), NAN), np.full((5, 2), NAN)),
    "all constant": (np.full((2, 6), 0.1), np.full((6, 2), 0.1)),
    "some reference failed": (
        np.random.default_rng(0).random((2, 6)),
        np.array([[NAN, NAN], [0.1, NAN], [0.3, 0.2], [0.4, 0.4], [0.5, 0.6], [0.7, 0.6]]),
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_studies_have_a_page_too(case: str, tmp_path: Path) -> None:
    found = findings(*ODD[case], GRID)
    _, seen = page(found, tmp_path)
    assert found.recommendation.sentence in seen.text
    assert "nan" not in re.findall(r"\w+", seen.text.lower())


def test_one_setting_and_nothing_else_has_a_page(tmp_path: Path) -> None:
    found = findings(np.random.default_rng(0).random((1, 6)), np.random.default_rng(1).random((6, 2)), GRID[:1])
    _, seen = page(replace(found, lines=(), candidates=found.trained, about={}, totals={}), tmp_path)
    assert "No two settings differ in one factor only." in seen.text


def test_numbers_are_written_for_people() -> None:
    assert number(-0.5) == "−0.50"
    assert number(NAN) == number(None) == "–"
    assert percent(0.1234) == "12.3 %"
    assert interval(undefined("why")) == "–"
    assert interval(Estimate(0.123, 0.1, 0.2), 1, 100) == "12.3 [10.0, 20.0]"
    assert signed(Estimate(0.123, -0.1, 0.2)) == "+0.12 [−0.10, 0.20]"
    assert signed(undefined("why")) == "–"
