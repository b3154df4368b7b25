"""`zoo analyse`: a table of one's own, judged from the command line; in one line where it cannot be."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEADER = "name,acc_1,acc_2,zc_a,val_loss,macs"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Thirty networks: zc_a and val_loss follow the accuracy, macs does not; one network failed."""
    rng = np.random.default_rng(0)
    lines = [HEADER]
    for i in range(30):
        a, b, c, d = 0.04 * rng.normal(size=4)
        lines.append(
            f"net{i},{i / 30 + a:.4f},{i / 30 + b:.4f},{i + 30 * c:.3f},{1 - i / 30 + d:.4f},{rng.integers(99)}"
        )
    lines[9] = lines[9].replace(lines[9].split(",")[3], "n/a")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def analyse(thriftnas, table):
    """Runs the command on the table."""
    usual = ["--reference", "acc_1", "--reference", "acc_2", "--lower", "*_loss", "--cost", "macs", "--name", "name"]
    usual += ["--proxies", "zc_*", "--proxies", "val_loss"]

    def call(*more: object, of: Path = table):
        return thriftnas("zoo", "analyse", of, *usual, *more)

    return call


def test_what_is_printed_teaches(analyse):
    answer = analyse("--faster", "val_loss=16.7")
    assert (answer.code, answer.err) == (0, "")
    text = " ".join(answer.out.split())
    for words in (
        "30 networks against the mean of acc_1 and acc_2",
        "Best in 7: the chance that the 7 best by a proxy hold the best; regret: what they miss.",
        "Ceiling (reliability of the reference): 0.9",
        "Beyond macs, a placebo (macs with noise) says",
        "Search with val_loss: 16.7 times cheaper than the reference, it ranks networks with rho of at least 0.9",
    ):
        assert words in text
    proxies = [line.split()[0] for line in answer.out.splitlines()[2:4]]
    assert proxies == ["val_loss", "zc_a"]
    table, (*_, answered) = answer.out.splitlines()[:4], answer.out.splitlines()
    assert max(map(len, table)) <= 120
    assert answered.startswith("Search with val_loss")  # whole: a sentence is not wrapped in a pipe
    assert answered.endswith(".")


def test_json_is_the_rows_and_the_folder_holds_them_too(analyse, tmp_path):
    answer = analyse("--json", "--out", "new/folder")
    assert (answer.code, answer.err) == (0, "")
    rows = json.loads(answer.out)
    assert [(row["proxy"], row["failed"], row["recommended"]) for row in rows] == [
        ("val_loss", 0, True),
        ("zc_a", 1, False),
    ]
    assert all(row["low"] <= row["spearman"] <= row["high"] and row["bound"] < row["spearman"] for row in rows)
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "analysis.json").read_text()) == rows
    assert json.loads((folder / "recommendation.json").read_text())["proxy"] == "val_loss"
    assert {path.name for path in folder.iterdir()} == {
        "analysis.csv", "analysis.json", "analysis.html", "recommendation.json",
    }  # fmt: skip
    assert analyse("--json", "--out", "new/folder").out == answer.out  # again, and the same


def test_what_is_left_out_is_said_where_it_does_not_spoil_json(analyse, table):
    lines = table.read_text().splitlines()
    table.write_bytes(gzip.compress("\n".join([f"{lines[0]},zc_one", *(f"{line},1" for line in lines[1:])]).encode()))
    answer = analyse("--json")
    assert answer.err == "zc_one is left out: it is the same in every network\n"
    assert len(json.loads(answer.out)) == 2
    assert "zc_one is left out" in analyse().out


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--reference", "acc3"], "has no column 'acc3'"),
        (["--proxies", "nas*"], "no proxy matches 'nas*', expected some of zc_a, val_loss, macs"),
        (["--proxies", "acc_2"], "a reference cannot be its own proxy: 'acc_2'"),
        (["--cost", "zc_a"], "line 10 has no number in the cost 'zc_a'"),
        (["--target", "1"], "target must lie between 0 and 1, got 1"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--faster", "zc_b=3"], "'zc_b' is no proxy here"),
        (["--faster", "zc_a=0"], "expected a positive number for 'zc_a', got 0"),
        (["--faster", "zc_a"], "expected a form like acc_12ep=16.7, got 'zc_a'"),
        (["--faster", "zc_a=fast"], "expected a form like acc_12ep=16.7, got 'zc_a=fast'"),
        (["--out", "table.csv"], "table.csv is a file or cannot be written, expected a folder"),
        (["--out", "table.csv/below"], "expected a folder"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line_and_nothing_is_written(analyse, tree, tmp_path, more, expected):
    before = tree(tmp_path)
    answer = analyse("--out", "new", *more)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert expected in answer.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "No such file"),
        ("", "is not a table"),
        (f"{HEADER}\nnet0,1,2,3,4,5\n", "1 networks have a number in acc_1, acc_2, expected at least 5"),
        (f"{HEADER}\n" + "\n".join(f"net{i},1,1,{i},4,{i}" for i in range(9)), "the reference 'acc_1' is constant, 1"),
        (f"{HEADER}\nnet0,1,2,three,4,5\nnet1,1,2,3,4,5", "2 networks have"),
    ],
)
def test_a_file_that_cannot_be_judged_is_one_line(analyse, tmp_path, text, expected):
    path = tmp_path / "other.csv"
    if text is not None:
        path.write_text(text)
    answer = analyse("--out", "new", of=path)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert str(path) in answer.err
    assert expected in answer.err
    assert not (tmp_path / "new").exists()


def test_help_waits_for_nothing_heavy():
    code = (
        "import sys\nfrom zoo.cli import main\nmain(['zoo', 'analyse', '--help'])\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'scipy', 'ray', 'matplotlib'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
