"""The report page: complete, self-contained, and whole whatever the study found."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.population.proxy import ProxySetting, parse_grid
from zoo.reliability.correlation import resampled_entropy
from zoo.reliability.findings import FactorLine, Findings, SettingFinding
from zoo.reliability.interval import bootstrap, undefined
from zoo.reliability.recommendation import recommend, score
from zoo.reliability.report import interval, number, percent, write_report
from zoo.spaces import ECONAS_ZOO

NAN = math.nan
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """What a browser sees: tags balanced, visible text, attributes, rows of the table of settings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def findings(
    scores: np.ndarray[Any, Any],
    reference: np.ndarray[Any, Any],
    settings: list[ProxySetting],
    *,
    target: float = 0.8,
    **changes: Any,
) -> Findings:
    """The findings of a study with these accuracies: scores (settings, networks), reference (networks, repeats)."""
    rng = np.random.default_rng(0)
    networks = len(reference)
    speed = [2.0 * (i + 1) for i in range(len(settings))]
    names = list(map(str, settings))
    measured = score(scores, reference, names, rng, validation_images=1000, resamples=100)
    answer = recommend(scores, reference, speed, names, rng, target=target, resamples=100)
    free = np.stack([np.arange(networks, dtype=float), np.zeros(networks)])
    mean = reference.mean(axis=1)
    line = FactorLine(
        factor="c",
        fixed="r0s0e4",
        settings=tuple(settings[:2]),
        spearman=tuple(one.spearman.value for one in measured[:2]),
        entropy=bootstrap(resampled_entropy, scores[:2], mean, rng, 100, scale="percentile"),
    )
    whole = Findings(
        reference=ProxySetting.parse("c0r0s0e8"),
        repeats=reference.shape[1],
        genotypes=tuple(ECONAS_ZOO.sample(rng) for _ in range(networks)),
        reference_accuracies=tuple(map(tuple, reference.tolist())),
        settings=tuple(
            SettingFinding(
                setting=setting,
                acceleration=speed[i],
                score=measured[i],
                bound=float(answer.bounds[i]),
                accuracy=float(scores[i][0]),
                seconds=1.5,
                accuracies=tuple(scores[i].tolist()),
            )
            for i, setting in enumerate(settings)
        ),
        baselines=tuple(score(free, reference, ["macs", "params"], rng, validation_images=1000, resamples=100)),
        lines=(line,),
        recommendation=answer,
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
    chosen = found.settings[0]
    opening = seen.text[: seen.text.index("The words used here")]
    for expected in (
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


def test_a_free_baseline_that_ranks_as_well_is_said_plainly(tmp_path: Path) -> None:
    found = good()
    _, seen = page(found, tmp_path)
    assert "takes no training" not in seen.text
    equal = replace(found.baselines[0], spearman=found.settings[0].score.spearman)
    _, seen = page(replace(found, baselines=(equal, found.baselines[1])), tmp_path)
    assert re.search(
        r"Counting MACs \(ρ [01]\.\d\d\) ranks these networks as well as or better than the recommended "
        r"setting c0r0s0e4",
        seen.text,
    )
    undefined_one = replace(found.baselines[0], spearman=undefined("ties"))
    _, seen = page(replace(found, baselines=(undefined_one,)), tmp_path)
    assert "takes no training" not in seen.text


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
    assert len(pictures) == 3 + 2 * 24  # acceleration, scatter, one factor; the cells
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)
    names = [tag for tag, _ in seen.tags]
    assert names.count("h1") == 1
    assert all(attributes["scope"] in {"col", "row"} for tag, attributes in seen.tags if tag == "th")


def test_the_table_has_every_setting_with_what_it_is_sorted_by(tmp_path: Path) -> None:
    found = good()
    text, seen = page(found, tmp_path)
    for one in found.settings:
        assert f'data-value="{one.score.spearman.value!r}"' in text
        assert interval(one.score.spearman) in seen.text
    assert "c0r0s0e4 ★" in seen.text
    assert "c2r0s0e4 ★" not in seen.text


def test_best_and_worst_networks_come_first_and_every_network_once(tmp_path: Path) -> None:
    found = good()
    _, seen = page(found, tmp_path)
    means = np.array(found.reference_accuracies).mean(axis=1)
    assert f"Best. Network {means.argmax() + 1}: {percent(means.max())}" in seen.text
    assert f"Worst. Network {means.argmin() + 1}: {percent(means.min())}" in seen.text
    assert "The other 22 networks" in seen.text
    headings = re.findall(r"Network (\d+): ", seen.text)
    assert sorted(map(int, headings)) == list(range(1, 25))


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


def test_an_unfinished_study_says_so(tmp_path: Path) -> None:
    found = good(4)
    _, seen = page(replace(found, about={**found.about, "planned": 24}), tmp_path)
    assert "Not finished: 4 of 24 networks" in seen.text
    _, seen = page(found, tmp_path)
    assert "Not finished" not in seen.text


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


GRID = parse_grid("c{0,2}r0s0e4")
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
    _, seen = page(replace(found, lines=(), baselines=(), about={}, totals={}), tmp_path)
    assert "No two settings differ in one factor only." in seen.text


def test_numbers_are_written_for_people() -> None:
    assert number(-0.5) == "−0.50"
    assert number(NAN) == number(None) == "–"
    assert percent(0.1234) == "12.3 %"
    assert interval(undefined("why")) == "–"
