"""Tables of one's own: how they are read, and what is refused."""

import gzip
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reliability.own_tables import invented, read, refused, same
from zoo.reliability.analysis import judge


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
        "gzipped": gzip.compress(comma.encode(), mtime=0),
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
    assert table.notices[0].startswith("acc_2 equals acc_1 in 62 % of the networks")
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
        (gzip.compress(b"name,acc_1\n" * 999, mtime=0)[:-20], "not a table"),
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
