"""Published tables as evaluators: the two we have, where they are at hand, and invented ones with all their faults."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo.population import FixedList, Job, Journal, Manager, ProxySetting, SerialExecutor, Trial
from zoo.population.columns import parse_columns
from zoo.population.table import LAYOUTS, Layout, Table, read_table
from zoo.spaces.chain_space import NAS_BENCH_201, NAS_BENCH_MACRO, NATS_BENCH_SIZE
from zoo.spaces.genotype import ChainGenotype

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PUBLISHED = {
    "nas_bench_201_cifar10.csv.gz": (NAS_BENCH_201, (12, 200), 94.373),
    "nas_bench_macro_cifar10.csv.gz": (NAS_BENCH_MACRO, (50,), 93.127),
}


def frame_of(layout: Layout) -> pd.DataFrame:
    """Every architecture with accuracies in its own order."""
    choices = [tuple(map(int, one)) for one in np.ndindex(layout.space.options)]
    columns = {layout.architecture: [layout.space.write(one) for one in choices]}
    for i, column in enumerate(layout.accuracy.values()):
        columns[column] = [round(50 + i + 40 * place / len(choices), 4) for place in range(len(choices))]
    return pd.DataFrame(columns | {"params": 1})


MACRO = frame_of(LAYOUTS[1])


def written(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    return path


def trial(genotype, epochs=50, stop=None):
    return Trial(index=0, genotype=genotype, setting=ProxySetting(0, 0, 0, epochs), start=0, stop=stop or epochs)


def fields(trial):
    return {name: getattr(trial, name) for name in trial.__slots__}


def refused(path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_table(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---------------------------------------------------------------- NATS-Bench's sizes, an invented table


def test_widths_are_read_and_a_cheap_training_where_it_is_listed(tmp_path):
    frame = frame_of(LAYOUTS[2])
    path = written(frame, tmp_path)
    table = read_table(path)
    assert (table.space, table.epochs, len(table.accuracies)) == (NATS_BENCH_SIZE, (90,), 8**5)
    genotype = ChainGenotype("nats-bench-size", NATS_BENCH_SIZE.read("8:16:64:8:32"))
    assert genotype.choices == (0, 1, 7, 0, 3)
    row = frame[frame.arch_str == "8:16:64:8:32"].iloc[0]
    assert table.accuracies[genotype.choices][90] == pytest.approx(row.cifar10_ep90_test_acc / 100)
    features = NATS_BENCH_SIZE.features(genotype)
    assert [features[f"width {stage}"] for stage in range(5)] == [8, 16, 64, 8, 32]
    frame["cifar10_ep12_valid_acc"], frame["flops_M"] = frame.cifar10_ep90_test_acc / 2, 3.0
    table = read_table(written(frame, tmp_path))
    assert table.epochs == (12, 90)
    assert table.costs(np.array([genotype.choices]))["macs"] == 3e6
    columns = "cheap=cifar10_ep12_valid_acc@5,full=cifar10_ep90_test_acc@90"
    assert read_table(path, columns).epochs == (5, 90)


@pytest.mark.parametrize("name", ["8:16:64:8", "8:16:64:8:7", "8:16:64:8:72", "8;16;64;8;32", " 8:16:64:8:32"])
def test_a_size_is_five_widths(name):
    with pytest.raises(ValueError, match="is not a NATS-Bench size like 8:16:64:8:32"):
        NATS_BENCH_SIZE.read(name)


# ---------------------------------------------------------------- the published ones


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_table_is_read_whole(name):
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not at hand")
    space, epochs, best = PUBLISHED[name]
    table = read_table(DATA / name)
    assert table.space is space
    assert table.epochs == epochs
    assert len(table.accuracies) == space.size
    assert 100 * table.best(epochs[-1]) == pytest.approx(best, abs=5e-4)


def test_the_published_isomorphism_index_agrees_where_nothing_is_zero_or_shared():
    """Two cells with equal keys differ by what their trainings differ, two random ones by ten times as much."""
    path = DATA / "nas_bench_201_cifar10.csv.gz"
    if not path.is_file():
        pytest.skip("the table is not at hand")
    frame = pd.read_csv(path)
    frame["key"] = [NAS_BENCH_201.function(NAS_BENCH_201.read(text)) for text in frame["arch_str"]]
    accuracy = "cifar10_ep200_test_acc"
    frame = frame[frame[accuracy] > 80]  # what is not a constant
    within = frame.groupby("key")[accuracy].transform(lambda part: part - part.mean()).std()
    assert within < frame[accuracy].std() / 5


# ---------------------------------------------------------------- looking up


def test_a_trial_gets_the_accuracy_of_its_schedule_as_a_share_and_pays_its_epochs(tmp_path):
    table = read_table(written(frame_of(LAYOUTS[0]), tmp_path))
    assert table.epochs == (12, 200)
    genotype = ChainGenotype("nas-bench-201", (0,) * 5 + (1,))  # the second row
    for epochs, percent in ((12, 50 + 40 / 15625), (200, 51 + 40 / 15625)):
        ((record, weights),) = table([Job(trial(genotype, epochs), 0, None)])
        assert (record.ok, record.epochs_paid, weights) == (True, epochs, None)
        assert record.metrics["accuracy"] == pytest.approx(percent / 100, abs=1e-6)
    assert table.best(200) == pytest.approx((51 + 40 * 15624 / 15625) / 100, abs=1e-6)


@pytest.mark.parametrize(
    ("genotype", "epochs", "stop", "message"),
    [
        (ChainGenotype("nas-bench-201", (0,) * 6), 50, 50, "the table of nas-bench-macro has no row for"),
        (ChainGenotype("another", (0,) * 8), 50, 50, "the table of nas-bench-macro has no row for"),
        (ChainGenotype("nas-bench-macro", (0,) * 7 + (3,)), 50, 50, "has no row for"),
        (ChainGenotype("nas-bench-macro", (0,) * 8), 60, 60, "the table knows trainings of 50 epochs, got 60 of 60"),
        (ChainGenotype("nas-bench-macro", (0,) * 8), 50, 20, "the table knows trainings of 50 epochs, got 20 of 50"),
    ],
)
def test_what_the_table_does_not_have_is_an_error_and_a_failed_record(genotype, epochs, stop, message, tmp_path):
    table = read_table(written(MACRO, tmp_path))
    asked = trial(genotype, epochs, stop)
    with pytest.raises(ValueError, match=message):
        table([Job(asked, 0, None)])
    manager = Manager(FixedList([asked]), Journal.memory({}))
    manager.run(SerialExecutor(table))
    (record,) = manager.records
    assert not record.ok
    assert message in record.reason


# ---------------------------------------------------------------- what cannot be read


def test_chains_are_read_as_text_and_rows_in_any_order(tmp_path):
    table = read_table(written(MACRO.sample(frac=1, random_state=0), tmp_path))
    assert table.accuracies[(0,) * 8] == {50: 0.5}
    assert table.accuracies[(0,) * 7 + (1,)][50] == pytest.approx((50 + 40 / 6561) / 100, abs=1e-6)


def test_a_table_may_be_compressed(tmp_path):
    path = tmp_path / "table.csv.gz"
    MACRO.to_csv(path, index=False)
    assert isinstance(read_table(path), Table)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "is not a CSV table" in refused(path)


@pytest.mark.parametrize("column", ["cifar10_ep12_valid_acc", "cifar10_ep200_test_acc"])
def test_a_missing_column_is_named(column, tmp_path):
    path = written(frame_of(LAYOUTS[0]).drop(columns=column), tmp_path)
    assert refused(path) == f"{path} lacks the column {column}; --columns names others"


def test_a_table_of_another_benchmark_is_refused(tmp_path):
    path = written(pd.DataFrame({"hash": ["abc"], "accuracy": [93.0]}), tmp_path)
    assert (
        "no column arch_str or arch: it is no table of NAS-Bench-201, NAS-Bench-Macro, NATS-Bench's sizes"
        in refused(path)
    )
    path = written(pd.DataFrame({"arch": ["lstm"], "mean_acc": [93.0]}), tmp_path)
    assert "'lstm' is not a NAS-Bench-Macro chain of eight digits 0, 1 or 2" in refused(path)
    path = written(MACRO.rename(columns={"arch": "arch_str", "mean_acc": "cifar10_ep12_valid_acc"}), tmp_path)
    assert "lacks the column cifar10_ep200_test_acc" in refused(path)


def test_missing_and_repeated_rows_are_counted(tmp_path):
    assert "has 6560 architectures, expected all 6561 of nas-bench-macro" in refused(written(MACRO[:-1], tmp_path))
    repeated = MACRO.copy()
    repeated.loc[7, "arch"] = repeated.loc[8, "arch"]
    assert "line 10 contradicts an earlier one about 00000022" in refused(written(repeated, tmp_path))
    repeated.loc[7, "mean_acc"] = repeated.loc[8, "mean_acc"]
    assert "has 6560 architectures" in refused(written(repeated, tmp_path))


def test_shares_are_refused_where_percents_are_meant(tmp_path):
    frame = MACRO.assign(mean_acc=MACRO["mean_acc"] / 100)
    assert "expected percents, but no accuracy in the column mean_acc is above 1" in refused(written(frame, tmp_path))


# ---------------------------------------------------------------- other columns


def test_columns_are_read_as_they_are_named():
    assert parse_columns("cheap=a_ep12@12, full=b@200") == {12: ("a_ep12",), 200: ("b",)}
    assert parse_columns("full=s1|s2|s3@50") == {50: ("s1", "s2", "s3")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a@12", "expected columns like cheap=NAME@12,full=NAME@200, got 'a@12'"),
        ("full=a@x", "expected columns like"),
        ("full=a@5,full=b@6", "expected columns like"),
        ("cheap=a@5", "expected a column of the full training"),
        ("cheap=a@200,full=b@12", "the cheap training must be shorter"),
        ("full=a|a@12", "different columns"),
        ("full=a@0", "at least one epoch"),
    ],
)
def test_columns_that_make_no_sense_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_columns(text)


def test_named_columns_take_the_place_of_the_usual_ones(tmp_path):
    path = written(frame_of(LAYOUTS[0]).rename(columns=lambda name: name.replace("cifar10", "other")), tmp_path)
    table = read_table(path, "cheap=other_ep12_valid_acc@12,full=other_ep200_test_acc@200")
    assert table.epochs == (12, 200)
    again = read_table(path, "cheap=other_ep12_valid_acc@6,full=other_ep200_test_acc@200")
    assert again.fingerprint != table.fingerprint  # another run
    with pytest.raises(ValueError, match=r"lacks the column nothing$"):
        read_table(path, "full=nothing@200")


def test_a_training_gets_one_of_several_seeds(tmp_path):
    frame = MACRO.assign(second=MACRO["mean_acc"] + 2)
    table = read_table(written(frame, tmp_path), "full=mean_acc|second@50")
    genotype = ChainGenotype("nas-bench-macro", (0,) * 8)
    assert table.accuracies[genotype.choices][50] == pytest.approx((frame["mean_acc"][0] + 1) / 100)

    def drawn(seed):
        asked = [Trial(**{**fields(trial(genotype)), "index": i}) for i in range(40)]
        answers = replace(table, seed=seed)([Job(one, one.index, None) for one in asked])
        return [record.metrics["accuracy"] for record, _ in answers]

    assert set(drawn(0)) == set(table.repeats[genotype.choices][50])
    assert drawn(0) == drawn(0) != drawn(1)


@pytest.mark.parametrize("value", ["n/a", "", "ninety", "inf", "-1", "100.5"])
def test_an_accuracy_that_is_no_percentage_is_found(value, tmp_path):
    frame = MACRO.astype({"mean_acc": object})
    frame.loc[5, "mean_acc"] = value
    assert refused(written(frame, tmp_path)).endswith("line 7 has an accuracy that is no number from 0 to 100")


def test_a_row_without_a_name_is_refused(tmp_path):
    frame = MACRO.copy()
    frame.loc[5, "arch"] = None
    assert "'' is not a NAS-Bench-Macro chain" in refused(written(frame, tmp_path))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00arch", b'a,b\n1,2,3\n"'])
def test_what_is_no_csv_is_refused(content, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert str(path) in refused(path)


def test_what_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        read_table(tmp_path / "nowhere.csv")
    path = tmp_path / "table.csv.gz"
    path.write_bytes(b"not gzip")
    with pytest.raises(gzip.BadGzipFile):
        read_table(path)


# ---------------------------------------------------------------- costs, and searches that train nothing


@pytest.mark.parametrize(("layout", "factor"), [(LAYOUTS[0], 1e6), (LAYOUTS[1], 1.0)])
def test_prices_are_listed_by_architecture_in_units_not_in_millions(tmp_path, layout, factor):
    frame = frame_of(layout).drop(columns="params")
    for i, (column, _) in enumerate(layout.costs.values()):
        frame[column] = [place + i / 2 for place in range(len(frame))]
    table = read_table(written(frame.sample(frac=1, random_state=0), tmp_path))
    choices = np.array([(0,) * len(layout.space.options), (1,) * len(layout.space.options)])
    place = np.ravel_multi_index(tuple(choices.T), layout.space.options)
    found = table.costs(choices)
    assert found["macs"].tolist() == (factor * place).tolist()
    assert found["params"].tolist() == (factor * (place + 0.5)).tolist()


def test_a_table_without_a_price_lists_none_and_a_wrong_one_is_refused(tmp_path):
    assert read_table(written(MACRO, tmp_path)).costs.names == ("params",)
    wrong = MACRO.assign(flops=1.0)
    wrong.loc[7, "flops"] = -1
    assert "line 9 has a flops that is no number from 0 up" in refused(written(wrong, tmp_path))


def test_a_trial_without_a_setting_gets_the_longest_training(tmp_path):
    table = read_table(written(frame_of(LAYOUTS[0]), tmp_path))
    genotype = ChainGenotype(NAS_BENCH_201.name, (1, 2, 3, 4, 0, 1))
    ((record, _),) = table([Job(Trial(index=0, genotype=genotype, setting=None, start=0, stop=1), 0, None)])
    assert record.metrics["accuracy"] == table.accuracies[genotype.choices][200]
    assert record.epochs_paid == 200
