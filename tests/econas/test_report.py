"""The report of a search: complete and self-contained whatever the search was, and everything in it escaped."""

import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.console import Console

from econas.history.history import history
from econas.history.report import search_report, sentence, summary, write_report
from econas.strategy.audit import Auditing, Step
from econas.strategy.baselines import RandomBaseline, evolution_then_retrain
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from zoo.experiments import Run
from zoo.population import Journal, ProxySetting
from zoo.spaces import ECONAS_SEARCH
from zoo.spaces.chain_space import NAS_BENCH_201
from zoo.spaces.genotype import genotype_from_dict

VOID = {"meta", "br", "hr", "img", "input", "link"}
EVIL = '<script>alert("x")</script>'
SECTIONS = (
    "Accuracy against compute",
    "Who survived",
    "The finalists",
    "Audits",
    "What it cost",
    "Failures",
    "What was run",
)


class Page(HTMLParser):
    """What a browser sees: tags balanced, visible text, attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page(found, folder):
    write_report(found, folder / "report.html")
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def numbers(small):
    return small(cycles=8, parents=(4, 2, 2), start=10, promotions=(4, 2), final_every=3)


def searched(numbers, journaled, folder=None, space=ECONAS_SEARCH, **changes):
    return journaled(HierarchicalSearch(space, numbers, 0), numbers, folder, **changes)


@pytest.fixture(scope="module")
def runs(numbers, small, journaled):
    """Journals of every kind of search."""
    step = Step(ProxySetting.parse("c2r4s0e6"), 2.0)
    audit = Auditing(mode="escalate", cycles=(2, 4), ladder=(step,), networks=6, limit=0.95, share=0.3)
    audited = small(cycles=8, start=10, parents=(4, 2, 2), promotions=(4, 2), budget=1500.0, audit=audit)
    one = small(stages=(6,), parents=(4,), promotions=(), cycles=4)
    pays = small(budget=200.0, stages=(6,), parents=(4,), promotions=())
    rungs = [Rung(numbers.setting, 2), Rung(numbers.setting, 6), Rung(numbers.final, 9)]
    evolution = evolution_then_retrain(ECONAS_SEARCH, pays, 0, population=6, sample=3)
    return {
        "whole": searched(numbers, journaled),
        "audited": searched(audited, journaled),
        "one stage of chains": searched(one, journaled, space=NAS_BENCH_201),
        "just begun": searched(numbers, journaled, steps=1, batch=1),
        "in the middle": searched(numbers, journaled, steps=70),
        "retraining": searched(numbers, journaled, steps=len(searched(numbers, journaled).trials()) - 3),
        "some failed": searched(numbers, journaled, fails=lambda trial: trial.index % 3 == 1),
        "all failed": searched(numbers, journaled, fails=lambda trial: True),
        "retraining failed": searched(numbers, journaled, fails=lambda trial: trial.role == "retrain"),
        "all alike": searched(numbers, journaled, accuracy=lambda trial: 0.5),
        "evolution": journaled(evolution, pays, name="evolution"),
        "random": journaled(RandomBaseline(ECONAS_SEARCH, numbers.setting, 60.0, 0), {}, name="random"),
        "halving": journaled(SuccessiveHalving(ECONAS_SEARCH, rungs, 400.0, 0), {}, name="asha", batch=1),
    }


KINDS = (
    "whole", "audited", "one stage of chains", "just begun", "in the middle", "retraining", "some failed", "all failed",
    "retraining failed", "all alike", "evolution", "random", "halving",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_search_has_a_page_that_needs_nothing_else(kind, runs, tmp_path):
    found = history(runs[kind])
    text, seen = page(found, tmp_path)
    assert sentence(found) in seen.text.replace("\N{NO-BREAK SPACE}", " ")
    for heading in SECTIONS:
        assert heading in seen.text
    assert "nan" not in re.findall(r"\w+", seen.text.lower())
    assert "None" not in re.findall(r"\w+", seen.text.replace("None.", ""))
    assert not re.search(r'(src|href)="?(?!#)|https?://(?!www\.w3\.org)|@import|url\((?!#)', text)
    assert bool(found.unfinished) == ("Not finished: " in seen.text)
    for tag, attributes in seen.tags:
        if tag == "svg":
            assert float(attributes["width"].removesuffix("pt")) > 100
            assert attributes["aria-label"]
    assert page(found, tmp_path)[0] == text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_answer_depends_on_how_far_the_search_is(runs):
    answers = {kind: sentence(history(journal)) for kind, journal in runs.items()}
    assert "validation accuracy after retraining at c0r0s0e9" in answers["whole"]
    assert answers["just begun"].startswith("The best network so far has")
    assert "after 2 of 6 epochs at c4r4s0e6" in answers["just begun"]
    assert "its retraining has not ended" in answers["retraining"]
    assert "it has not been retrained" in answers["in the middle"]
    assert "its retraining failed" in answers["retraining failed"]
    assert answers["all failed"] == "Nothing was found: all 10 trainings failed."


def test_the_page_shows_lineage_cells_audits_and_costs(runs, tmp_path):
    found = history(runs["audited"])
    text, seen = page(found, tmp_path)
    assert "The winner, normal cell" in text
    assert "The winner, reduction cell" in text
    assert f"network {found.winner.network} ★" in seen.text
    for verdict in found.audits:
        assert f"c2r4s0e6 {verdict['networks']}" in seen.text
        assert verdict["decision"] in seen.text
    assert "setting raised to c2r4s0e6" in seen.text
    for name in ("children", "promotions", "renewals", "audits", "retraining", "in all"):
        assert name in seen.text
    assert "epochs of c4r4s0" in seen.text


def test_only_what_happened_is_told(runs, tmp_path):
    seen = {
        kind: page(history(runs[kind]), tmp_path)[1].text for kind in ("audited", "halving", "retraining", "random")
    }
    raised, through = "The setting was raised on the way", "Nobody is through yet."
    assert [raised in text for text in seen.values()] == [True, False, False, False]
    assert [through in text for text in seen.values()] == [False, False, True, False]
    assert "of it retraining" in seen["audited"]
    assert "of it retraining" not in seen["random"]
    assert "Nobody was promoted" in seen["random"]


def test_chains_are_shown_by_the_names_of_their_choices(runs, tmp_path):
    found = history(runs["one stage of chains"])
    _, seen = page(found, tmp_path)
    assert "chain of choices" in seen.text
    assert any(name in seen.text for name in ("nor_conv_3x3~0", "nor_conv_1x1~0", "skip_connect~0", "avg_pool_3x3~0"))


def test_everything_is_escaped(runs, tmp_path):
    found = history(runs["some failed"])
    strategy = {**found.strategy, "name": EVIL, "space": EVIL, "seed": EVIL} | {"seed": 0}
    trainings = tuple(replace(one, reason=EVIL) if one.state == "failed" else one for one in found.trainings)
    verdict = {"cycle": 1, "setting": EVIL, "reference": EVIL, "networks": 5, "rho": 0.1, "low": 0.0, "high": 0.2,
               "decision": EVIL}  # fmt: skip
    about = {**found.about, "command": [EVIL], "data": {EVIL: EVIL}, "versions": {"torch": EVIL}}
    terms = replace(found.terms, method=EVIL, space=EVIL)
    dirty = replace(
        found, strategy=strategy, terms=terms, trainings=trainings, audits=(verdict,), about=about, unfinished=EVIL
    )
    text, seen = page(dirty, tmp_path)
    assert EVIL not in text
    assert seen.text.count(EVIL) > 8
    assert sum(tag == "script" for tag, _ in seen.tags) == 1


def test_idle_time_of_every_session_is_shown(numbers, journaled, tmp_path):
    journal = searched(numbers, journaled)
    _, seen = page(history(journal), tmp_path)
    assert "Not known" in seen.text
    sessions = [(2, 7200, 10800), (1, 0, 0)]
    journal.set("sessions", [{"workers": n, "wall_s": wall, "busy_s": busy} for n, wall, busy in sessions])
    _, seen = page(history(journal), tmp_path)
    assert "nothing to do for 25.0 %" in seen.text


# ---------------------------------------------------------------- the files and the console


def told(folder, as_json=False):
    stream = io.StringIO()
    report = search_report(Run.open(folder))
    report.write(folder)
    if as_json:
        print(json.dumps(report.summary))
    else:
        report.show(Console(file=stream, width=120))
    return stream.getvalue()


def test_a_report_writes_its_tables_beside_the_journal(numbers, journaled, tmp_path):
    folder = tmp_path / "run"
    searched(numbers, journaled, folder).close()
    text = told(folder)
    frame = pd.read_csv(folder / "search.csv")
    finalists, audits = pd.read_csv(folder / "finalists.csv"), pd.read_csv(folder / "audits.csv")
    with_journal = Journal.open(folder, readonly=True)
    found = history(with_journal)
    with_journal.close()
    assert list(frame["index"]) == list(range(len(found.trainings)))
    assert list(finalists["network"]) == [one.network for one in found.finalists]
    assert finalists["winner"].sum() == 1
    assert finalists.loc[finalists["winner"], "accuracy"].item() == found.winner.accuracy == finalists["accuracy"].max()
    assert finalists["test_accuracy"].isna().all()
    assert list(audits.columns) == ["cycle", "setting", "reference", "networks", "rho", "low", "high", "decision"]
    line = json.loads((folder / "lineage.json").read_text())
    assert genotype_from_dict(line[-1]["genotype"]) == found.winner.trial.genotype
    assert line[0]["changes"] == []
    assert "Report: " in text
    assert sentence(found) in " ".join(text.split())
    assert {path.suffix for path in folder.iterdir()} >= {".csv", ".json", ".html"}
    assert not [path for path in folder.iterdir() if path.suffix == ".part"]


def test_the_test_accuracy_is_the_winners_or_nobodys(numbers, journaled, tmp_path):
    folder = tmp_path / "run"
    journal = searched(numbers, journaled, folder)
    winner = history(journal).winner.trial.index
    journal.close()
    (folder / "best.json").write_text(json.dumps({"trial": winner, "test_accuracy": 0.4321}))
    assert "43.2 % on the test images" in " ".join(told(folder).split())
    frame = pd.read_csv(folder / "finalists.csv")
    assert frame.loc[frame["winner"], "test_accuracy"].item() == 0.4321
    assert frame["test_accuracy"].count() == 1
    assert "Test accuracy" in Page((folder / "report.html").read_text(encoding="utf-8")).text
    for other in (json.dumps({"trial": winner - 1, "test_accuracy": 0.4321}), "{", "[]", '{"test_accuracy": 1}'):
        (folder / "best.json").write_text(other)
        assert "test images" not in told(folder)


def test_json_is_one_object_with_the_answer(numbers, journaled, tmp_path, capsys):
    folder = tmp_path / "run"
    searched(numbers, journaled, folder).close()
    assert told(folder, as_json=True) == ""
    answer = json.loads(capsys.readouterr().out)
    assert answer["finished"]
    assert answer["retrained"]
    assert answer["test_accuracy"] is None
    assert answer["unit"] == "epochs of c4r4s0"
    assert sum(answer["price"].values()) > 0
    genotype_from_dict(answer["genotype"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_summary_is_json(kind, runs):
    answer = summary(history(runs[kind]))
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_an_audited_search_says_so_on_the_console(runs, tmp_path):
    folder = tmp_path / "run"
    source = runs["audited"]
    journal = Journal.create(folder, source.identity)
    trials, records = source.trials(), source.records()
    journal.append_ask(len(trials), trials)
    journal.append_tell([records[index] for index in sorted(records)])
    journal.set("audits", source.get("audits"))
    journal.close()
    text = told(folder)
    assert text.count("Audit before cycle") == len(source.get("audits"))
    assert len(pd.read_csv(folder / "audits.csv")) == len(source.get("audits"))


def test_a_folder_without_measurements_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        told(tmp_path)
    Journal.create(tmp_path / "run", {"strategy": {"name": "econas"}}).close()
    with pytest.raises(ValueError, match="measured nothing yet") as caught:
        told(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "run").iterdir() if path.suffix in (".csv", ".html", ".json")] == []


@pytest.mark.slow  # 2,812 trainings
def test_the_papers_search_stays_a_page(journaled, tmp_path):
    """2,812 trainings of the search and 5 retrained networks."""
    numbers = Parameters()
    found = history(journaled(HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers, batch=16))
    text, seen = page(found, tmp_path)
    assert len(found.trainings) == 2817
    assert len(text.encode()) < 2_000_000
    assert "1,616" in seen.text
    assert math.isfinite(found.winner.accuracy)
