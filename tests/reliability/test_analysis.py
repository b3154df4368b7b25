"""What is said of tables of one's own, invented ones and the published."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import thriftnas
from tests.reliability.own_tables import invented, read
from tests.shown import shown
from zoo.reliability import analysis
from zoo.reliability.analysis import judge
from zoo.reliability.asymptotic import compare_many
from zoo.reliability.interval import bonett_wright
from zoo.reliability.recommendation import Candidate

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ROW = {"proxy", "spearman", "low", "high", "bound", "corrected", "beyond", "holds_best", "regret", "networks", "failed"}


@pytest.fixture(scope="module")
def found() -> analysis.Analysis:
    return judge(read(invented()))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table counts as one of thousands."""
    monkeypatch.setattr(analysis, "RESAMPLED", 0)


# ---------------------------------------------------------------- what is said


def rho_of(frame: pd.DataFrame, name: str) -> float:
    values = -frame[name] if name.endswith("loss") else frame[name]
    values = values.fillna(values.min() - 1)  # failures rank below all others
    return stats.spearmanr(values, frame[["acc_1", "acc_2"]].mean(axis=1)).statistic


def test_rho_is_scipys_and_rows_are_sorted_by_it(found):
    assert {row["proxy"] for row in found.rows} == {"early", "early_loss", "macs", "noise"}
    for row in found.rows:
        assert set(row) >= ROW
        assert row["spearman"] == pytest.approx(rho_of(invented(), row["proxy"]))
        assert row["bound"] <= row["spearman"]
        assert row["low"] <= row["spearman"] <= row["high"]
    rhos = [row["spearman"] for row in found.rows]
    assert rhos == sorted(rhos, reverse=True)
    assert {row["proxy"]: row["failed"] for row in found.rows}["early"] == 2
    json.dumps([found.rows, found.summary], allow_nan=False)


def test_the_answer_is_a_row_of_the_frame_and_says_nothing_of_a_cost_that_nobody_told(found):
    (row,) = np.flatnonzero(found.frame["recommended"])
    assert row == found.recommendation.index
    assert found.frame.loc[row, "proxy"] == found.chosen.name == found.summary["proxy"] == "early_loss"
    assert found.sentence.startswith("Rank with early_loss: it orders networks as the mean of acc_1 and acc_2 does")
    assert "cheaper" not in found.sentence
    assert found.recommendation.sentence == found.sentence
    assert found.summary["best"] == invented().set_index("name")[["acc_1", "acc_2"]].mean(axis=1).idxmax()


@pytest.mark.parametrize("path", ["resampled", "many"])
def test_the_fastest_that_is_safe_is_the_answer(path, request):
    if path == "many":
        request.getfixturevalue("many")
    frame = invented(80).assign(late=lambda f: f["acc_2"], wild=lambda f: f["noise"])
    found = thriftnas.analyse(frame, "acc_1", ["late", "early_loss", "wild"], lower="*loss", faster={"early_loss": 8})
    assert [row["proxy"] for row in found.rows] == ["late", "early_loss", "wild"]
    assert found.chosen.name == "early_loss"
    assert "8 times cheaper than the reference" in found.sentence
    assert "The ceiling is unknown: the reference was trained once" in found.sentence
    assert found.frame["faster"].isna().tolist() == [True, False, True]
    plain = thriftnas.analyse(frame, "acc_1", ["late", "early_loss", "wild"], lower="*loss")
    assert plain.chosen.name == "late"


def test_a_cost_is_held_fixed_beside_a_placebo(found):
    rows = {row["proxy"]: row for row in found.rows}
    assert rows["early_loss"]["beyond_low"] > 0.7
    assert rows["noise"]["beyond_low"] < 0 < rows["noise"]["beyond_high"]
    assert rows["macs"]["beyond"] is None
    assert found.summary["placebo"]["low"] < 0 < found.summary["placebo"]["high"]


def test_many_networks_say_the_same_by_asymptotics(monkeypatch):
    table = read(invented(150), proxies=("early*", "noise"))
    small = judge(table)
    monkeypatch.setattr(analysis, "RESAMPLED", 149)
    large = judge(table)
    assert (small.interval, large.interval) == ("bootstrap", "asymptotic")
    assert "intervals and bounds are asymptotic" in large.notices[-1]
    for one, other in zip(small.rows, large.rows, strict=True):
        assert one["spearman"] == pytest.approx(other["spearman"])
        for name in ("low", "high", "bound", "corrected", "beyond", "beyond_low", "beyond_high"):
            assert one[name] == pytest.approx(other[name], abs=0.05)
        assert one["holds_best"] == pytest.approx(other["holds_best"], abs=0.12)
    assert small.chosen.name == large.chosen.name
    assert small.summary["ceiling"]["value"] == pytest.approx(large.summary["ceiling"]["value"])


def test_intervals_and_bounds_of_many_networks_hold_what_was_planted():
    planted, rng = 6 / math.pi * math.asin(0.8 / 2), np.random.default_rng(1)
    held, above, zoos = 0, 0, 40
    for _ in range(zoos):
        y = rng.normal(size=400)
        x = [0.8 * y + 0.6 * rng.normal(size=400) for _ in range(2)]
        found = compare_many(
            [Candidate(str(i), one, 1.0) for i, one in enumerate(x)], y[:, None], rng, target=planted
        )  # fmt: skip
        held += found.scores[0].spearman.low <= planted <= found.scores[0].spearman.high
        above += found.recommendation.index is not None  # neither is better than the target
    assert held >= 0.87 * zoos
    assert above <= 0.13 * zoos


def test_the_errors_of_thousands_are_those_of_normal_theory_where_nothing_failed_and_else_larger(many):
    rng = np.random.default_rng(2)
    y = rng.normal(size=300)
    frame = pd.DataFrame({"y": y, "x": y + 0.2 * rng.normal(size=300)})
    for failed in (0, 3):
        frame.loc[:failed, "x"] = np.nan if failed else frame["x"]
        (row,) = thriftnas.analyse(frame, "y", "x").rows
        reach = (np.arctanh(row["high"]) - np.arctanh(row["low"])) / 2
        ratio = reach / (stats.norm.ppf(0.975) * bonett_wright(row["spearman"], 300))
        assert (1.5 < ratio < 4) if failed else (1 <= ratio < 1.15)


def test_nothing_is_recommended_below_the_target_or_an_unreliable_reference(many):
    none = judge(read(invented(), proxies=("noise",), lower=()))
    assert none.chosen is None
    assert none.sentence.startswith(
        "Nothing reaches rho 0.80 with 95 % confidence on these 40 networks: the best, noise"
    )
    frame = invented().assign(acc_2=np.random.default_rng(3).normal(size=40))
    unrelated = "Warning: the reference itself is not reliable at all, below the target of 0.80; measure it more often."
    assert judge(read(frame)).recommendation.warning == unrelated  # of two repeats, one is noise
    close = judge(read(invented(), proxies=("early_loss",), target=0.9))
    assert close.recommendation.needed_networks > 40


def test_the_seed_gives_the_rows(many):
    table = read(invented())
    assert judge(table).rows == judge(table).rows
    assert judge(table).summary["placebo"] != judge(read(invented(), seed=1)).summary["placebo"]


def test_the_function_knows_its_options():
    with pytest.raises(ValueError, match="analyse has no option 'costs', expected cost"):
        thriftnas.analyse(invented(), "acc_1", "early", costs="macs")
    with pytest.raises(OSError, match="No such file"):
        thriftnas.analyse("nowhere.csv", "acc_1", "early")


# ---------------------------------------------------------------- what is written


def test_files_and_page_need_nothing_else(many, tmp_path):
    frame = invented().rename(columns={"noise": "<b>noise</b>"})
    found = judge(read(frame, faster={"early": 4.0}))
    found.write(tmp_path / "new" / "folder")
    files = {path.name: path.read_text() for path in (tmp_path / "new" / "folder").iterdir()}
    assert set(files) == {"analysis.csv", "analysis.json", "recommendation.json", "analysis.html"}
    assert json.loads(files["analysis.json"]) == found.rows
    assert json.loads(files["recommendation.json"]) == found.summary
    assert pd.read_csv(tmp_path / "new" / "folder" / "analysis.csv")["proxy"].tolist() == found.frame["proxy"].tolist()
    page = files["analysis.html"]
    assert page.count("<svg") == 2
    assert found.sentence in shown(page)
    assert "<b>noise" not in page
    assert "&lt;b&gt;noise" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<b>noise" not in found._repr_html_()


@pytest.mark.parametrize(
    ("name", "reference", "best", "rho"),
    [
        ("nas_bench_201_cifar10.csv.gz", ("cifar10_ep200_test_acc",), "cifar10_ep12_test_acc", 0.8705),
        ("nas_bench_macro_cifar10.csv.gz", ("test_acc_1", "test_acc_2", "test_acc_3"), "flops", 0.7478),
    ],
)
def test_published_tables(name, reference, best, rho):
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not at hand")
    found = thriftnas.analyse(DATA / name, reference, ("*acc", "flops*"))
    assert found.interval == "asymptotic"
    assert found.rows[0]["proxy"] == best
    assert found.rows[0]["spearman"] == pytest.approx(rho, abs=1e-3)
    assert found.rows[0]["high"] - found.rows[0]["low"] < 0.03
    assert math.isfinite(found.recommendation.ceiling.value) == (len(reference) > 1)
