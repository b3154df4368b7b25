"""Tables of one's own: how they are read, what is refused, what is said of them; invented ones and the published."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import thriftnas
from zoo.reliability import analysis
from zoo.reliability.analysis import judge
from zoo.reliability.asymptotic import compare_many
from zoo.reliability.interval import bonett_wright
from zoo.reliability.own_table import Asked, OwnTable, read_own_table
from zoo.reliability.recommendation import Candidate

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ROW = {"proxy", "spearman", "low", "high", "bound", "corrected", "beyond", "holds_best", "regret", "networks", "failed"}


def invented(networks: int = 40, seed: int = 0) -> pd.DataFrame:
    """Two repeats, a good proxy with two failures, a loss, a cost that matters, and noise."""
    rng = np.random.default_rng(seed)
    quality, macs = rng.normal(size=networks), rng.normal(size=networks)
    truth = quality + 0.7 * macs

    def near(noise: float) -> np.ndarray:
        return (truth + noise * rng.normal(size=networks)).round(3)

    frame = pd.DataFrame({
        "name": [f"net{i}" for i in range(networks)], "acc_1": near(0.1), "acc_2": near(0.1), "early": near(0.2),
        "early_loss": -near(0.15), "macs": macs.round(3), "noise": rng.normal(size=networks).round(3),
    })  # fmt: skip
    frame.loc[[3, 5], "early"] = np.nan
    return frame


def asked(**changes: object) -> Asked:
    usual = {"reference": ("acc_1", "acc_2"), "proxies": ("*",), "name": "name", "cost": "macs", "lower": ("*loss",)}
    return Asked(**{**usual, **changes})


def read(frame: object, **changes: object) -> OwnTable:
    return read_own_table(frame, asked(**changes))


def refused(frame: object, **changes: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read(frame, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def same(first: OwnTable, second: OwnTable) -> bool:
    np.testing.assert_array_equal(first.reference, second.reference)
    np.testing.assert_array_equal(first.cost, second.cost)
    for one, other in zip(first.candidates, second.candidates, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.values, other.values)
    return first.names == second.names


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
        "Nothing reaches rho 0.80 with 95% confidence on these 40 networks: the best, noise"
    )
    frame = invented().assign(acc_2=np.random.default_rng(3).normal(size=40))
    assert judge(read(frame)).recommendation.warning.startswith("Warning: the reference itself is reliable only")
    close = judge(read(invented(), proxies=("early_loss",), target=0.9))
    assert close.recommendation.needed_networks > 40


def test_the_seed_gives_the_rows(many):
    table = read(invented())
    assert judge(table).rows == judge(table).rows
    assert judge(table).summary["placebo"] != judge(read(invented(), seed=1)).summary["placebo"]


# ---------------------------------------------------------------- how it is read


def written(text: str | bytes, folder: Path, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def forms() -> dict[str, bytes]:
    """The invented table, as other programs write it."""
    frame = invented()
    comma = frame.to_csv(index=False)
    return {
        "plain": comma.encode(),
        "gzipped": gzip.compress(comma.encode()),
        "byte-order mark": b"\xef\xbb\xbf" + comma.encode(),
        "Excel's Unicode": frame.to_csv(index=False, sep="\t").encode("utf-16"),
        "tabs": frame.to_csv(index=False, sep="\t").encode(),
        "semicolons": frame.to_csv(index=False, sep=";").encode(),
        "decimal commas": frame.to_csv(index=False, sep=";", decimal=",", na_rep="n/a").encode(),
        "quoted": frame.to_csv(index=False, quoting=1, sep=";").encode(),
        "Windows": frame.to_csv(index=False, lineterminator="\r\n", na_rep="NaN").encode(),
        "blank lines": comma.replace("\n", "\n\n").encode(),
        "spaces": comma.replace(",", " , ").encode(),
        "index": frame.to_csv().encode(),
        "delimiters at the end": comma.replace("\n", ",\n").encode(),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_of_a_table_is_the_same_table(tmp_path, form):
    assert same(read(written(forms()[form], tmp_path)), read(invented()))


def test_a_table_is_what_pandas_has_read(tmp_path):
    path = written(forms()["index"], tmp_path)
    assert same(read(pd.read_csv(path)), read(invented()))
    assert same(read(invented().astype({"early": "Float64", "noise": object})), read(invented()))


@pytest.mark.parametrize("text", ["", "nan", "NaN", "n/a", "N/A", "NA", "#N/A", "null", "None", "-", " "])
def test_what_stands_for_nothing_is_a_failure(tmp_path, text):
    table = read(written(invented().to_csv(index=False, na_rep=text), tmp_path))
    assert np.isnan(table.candidates[0].values).sum() == 2


def test_a_missing_repeat_is_no_loss_and_a_missing_reference_is_left_out():
    frame = invented()
    frame.loc[0, "acc_1"] = np.nan
    frame.loc[1, ["acc_1", "acc_2", "macs"]] = np.nan
    table = read(frame)
    assert len(table.names) == 39
    assert "net1" not in table.names
    assert table.notices[0] == "1 of 40 networks have no reference and are left out"


def test_an_infinite_score_is_a_failure():
    frame = invented()
    frame.loc[[0, 7], "noise"] = [np.inf, -np.inf]
    table = read(frame, proxies=("noise",), lower=())
    assert np.isnan(table.candidates[0].values).sum() == 2
    assert table.notices == ("noise is infinite in 2 networks, which count as failed there",)


def test_patterns_and_names():
    names = [one.name for one in read(invented(), proxies=("early*", "noise")).candidates]
    assert names == ["early", "early_loss", "noise"]
    odd = invented().rename(columns={"noise": "zc[1]*"})
    assert [one.name for one in read(odd, proxies=("zc[1]*",), lower=()).candidates] == ["zc[1]*"]
    assert [one.name for one in read(invented(), proxies=("*_loss",), name=None).candidates] == ["early_loss"]
    assert read(invented(), name=None).names[0] == "row 0"


def test_a_loss_may_be_the_reference():
    frame = invented().assign(loss_1=lambda f: -f["acc_1"])
    table = read(frame, reference=("loss_1",), proxies=("early",), lower=("loss_1",))
    np.testing.assert_array_equal(table.reference[:, 0], frame["acc_1"])


def test_what_ranks_nothing_is_left_out_and_named():
    frame = invented().assign(one=1.0, none=np.nan, text="a", copy=lambda f: f[["acc_1", "acc_2"]].mean(axis=1))
    table = read(frame, name=None)
    assert [one.name for one in table.candidates] == ["early", "early_loss", "macs", "noise"]
    assert set(table.notices) == {
        "name is left out: it holds no numbers",
        "text is left out: it holds no numbers",
        "one is left out: it is the same in every network",
        "none is left out: it failed in every network",
        "copy is left out: it equals the reference in every network",
    }


def test_a_copy_of_the_reference_is_judged_where_it_is_named():
    table = read(invented().assign(copy=lambda f: f["acc_1"]), proxies=("copy",), lower=(), reference=("acc_1",))
    assert table.notices == ("copy equals the reference in every network: is it a copy?",)
    assert judge(table).rows[0]["spearman"] == pytest.approx(1)


def test_a_repeat_that_copies_another_is_dropped():
    frame = invented()
    frame["acc_2"] = frame["acc_1"].where(frame.index < 25, frame["acc_2"])
    table = read(frame)
    assert table.repeats == ("acc_1",)
    assert table.notices[0].startswith("acc_2 equals acc_1 in 62% of the networks")
    frame["acc_2"] = frame["acc_1"].where(frame.index < 20, invented()["acc_2"])
    assert read(frame).repeats == ("acc_1", "acc_2")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reference": ("acc1",)}, "has no column 'acc1', expected acc_1"),
        ({"reference": ()}, "at least one reference"),
        ({"proxies": ()}, "one pattern of proxies"),
        ({"reference": ("acc_1", "acc_1")}, "'acc_1' is named twice"),
        ({"reference": ("name",)}, "row 0 has 'net0' in the column 'name', expected a number"),
        ({"proxies": ("zc_*",)}, "no proxy matches 'zc_*', expected some of early, early_loss, macs, noise"),
        ({"proxies": ("early", "acc_*")}, "no proxy matches 'acc_*'"),
        ({"proxies": ("acc_1",)}, "a reference cannot be its own proxy: 'acc_1'"),
        ({"proxies": ("name",), "lower": ()}, "row 0 has 'net0'"),
        ({"name": "names"}, "has no column 'names', expected name"),
        ({"cost": "flops"}, "has no column 'flops'"),
        ({"cost": "early"}, "row 3 has no number in the cost 'early'"),
        ({"cost": "name"}, "row 0 has 'net0'"),
        ({"lower": ("*losses",)}, "'*losses' is neither reference nor proxy"),
        ({"lower": ("acc_1",)}, "all repeats of the reference or none"),
        ({"faster": {"late": 2}}, "'late' is no proxy here, expected early, early_loss, macs, noise"),
        ({"faster": {"acc_1": 2}}, "'acc_1' is no proxy here"),
        ({"faster": {"early": 0}}, "positive number for 'early', got 0"),
        ({"faster": {"early": -2}}, "positive number for 'early', got -2"),
        ({"faster": {"early": math.inf}}, "positive number"),
        *[({"target": value}, "between 0 and 1") for value in (0, 1, -1, math.nan)],
        ({"seed": -1}, "seed must be at least 0"),
    ],
    ids=str,
)
def test_what_is_asked_must_be_there(changes, expected):
    assert expected in refused(invented(), **changes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f.head(4), "4 networks have a number in acc_1, acc_2, expected at least 5"),
        (lambda f: f.assign(acc_1=np.nan, acc_2=np.nan), "0 networks have"),
        (lambda f: f.assign(acc_1=0.1), "the reference 'acc_1' is constant, 0.1"),
        (lambda f: f.assign(acc_2=-f["acc_1"]), "the mean of acc_1, acc_2 is constant"),
        (lambda f: f.assign(acc_1=f["acc_1"].where(f.index != 6, math.inf)), "row 6 has 'inf' in the column 'acc_1'"),
        (lambda f: f.assign(macs=2), "the cost 'macs' is constant, 2"),
        (lambda f: f.assign(name="a"), "row 0 and row 1 are both 'a'"),
        (lambda f: f.rename(columns={"noise": "early"}), "has 2 columns 'early'"),
        (lambda f: f.assign(noise=f["noise"].astype(object).where(f.index != 7, "oops")), "row 7 has 'oops'"),
        (lambda f: [1, 2], "expected a DataFrame or the path of a table, got list"),
    ],
)
def test_a_table_that_cannot_be_judged(change, expected):
    assert expected in refused(change(invented()), lower=())


def test_no_proxy_that_ranks_is_refused():
    line = refused(invented().assign(one=1, two=2), proxies=("one", "two"), lower=())
    assert "no proxy ranks these networks; one is left out: it is the same in every network; two is" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "not a table"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not a table"),
        (b"PK\x03\x04\0\0,a\0", "not a table"),
        (gzip.compress(b"name,acc_1\n" * 999)[:-20], "not a table"),
        (b"acc_1\n1\n2\n", "expected columns with commas, semicolons or tabs"),
        (b'{"acc_1": [1, 2]}', "has no column"),
        (b'a,acc_1\n1,"2\n3,4\n', "not a table"),
        (b"early,acc_1,acc_2\n1,2,3\n1,2\n", "line 3 has 2 columns, expected 3"),
        (b"early,acc_1,acc_2\n1,2,3\n1,2,3,4\n", "line 3 has 4 columns, expected 3"),
        (b"early,acc_1\n\n1,2\n3,x\n", "line 4 has 'x' in the column 'acc_1'"),
        (b"early;acc_1\n1;1.234,5\n", "line 2 has '1.234,5'"),
        (b"early,acc_1\n1,1_000\n", "line 2 has '1_000'"),
        (b'early,acc_1\n1,"0,93"\n', "line 2 has '0,93'"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, text, expected):
    path = written(text, tmp_path)
    line = refused(path, reference=("acc_1",), proxies=("*",), lower=(), name=None, cost=None)
    assert line.startswith(str(path))
    assert expected in line


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
    assert found.sentence in page
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
