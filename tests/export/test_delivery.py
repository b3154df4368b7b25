"""What is delivered: every format asked for, along the front, whole or not at all."""

import dataclasses
import json

import pandas as pd
import pytest
import torch

from tests.shown import shown
from zoo.export import load_model
from zoo.export.delivery import Delivery, parse_formats
from zoo.export.front_charts import axes, pairs
from zoo.export.front_page import page
from zoo.population.front import Objective, equispaced
from zoo.population.run_front import read_front
from zoo.spaces.blueprint import blueprint_from_json


@pytest.fixture
def found(journal):
    return read_front(journal)


def delivery(found, make_model, formats, count=3):
    chosen = found.front[equispaced(found.losses[found.front], found.objectives, count)]
    return Delivery(
        found=found,
        chosen=chosen,
        formats=formats,
        weights=lambda row: make_model(found.trials[row].genotype),
        about={"command": "thriftnas <search>"},
    )


def models_of(one):
    return [one._model(number, int(row)) for number, row in enumerate(one.chosen, start=1)]


def test_tables_and_genotypes(found, make_model, tmp_path):
    out = tmp_path / "out"
    summary = delivery(found, make_model, ("json", "csv", "table")).write(out)
    written = json.loads((out / "models.json").read_text())
    assert written == summary
    assert [model["model"] for model in written["models"]] == [1, 2, 3]
    macs = [model["metrics"]["macs"] for model in written["models"]]
    ends = found.losses[found.front][:, 1]
    assert macs[0] == ends.min()
    assert macs[-1] == ends.max()
    assert macs == sorted(macs)
    for model in written["models"]:
        blueprint = blueprint_from_json((out / f"model-0{model['model']}.json").read_text())
        assert blueprint.genotype.key == model["key"]
    history = pd.read_csv(out / "history.csv")
    assert len(history) == len(found.trials)
    assert history["front"].sum() == len(found.front)
    assert pd.read_csv(out / "models.csv")["trial"].tolist() == [model["trial"] for model in written["models"]]
    growth = pd.read_csv(out / "hypervolume.csv")
    assert growth["generation"].tolist() == [0, 1, 2, 3]
    assert growth["hypervolume"].iloc[-1] == written["hypervolume"]
    assert (out / "models.md").read_text().count("\n") == 5
    assert (out / "front.png").read_bytes()[:4] == b"\x89PNG"
    for name in ("front.svg", "hypervolume.svg"):
        assert (out / name).read_text().startswith("<svg")


def test_parquet_holds_what_csv_holds(found, make_model, tmp_path):
    pytest.importorskip("pyarrow")
    delivery(found, make_model, ("csv", "parquet")).write(tmp_path)
    for name in ("models", "history", "hypervolume"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / f"{name}.parquet"), pd.read_csv(tmp_path / f"{name}.csv"), check_dtype=False
        )


def test_weights_are_files_named_in_the_summary(found, make_model, tmp_path):
    summary = delivery(found, make_model, ("state", "torch"), count=2).write(tmp_path)
    for model in summary["models"]:
        assert set(model["files"]) == {"state", "torch"}
        assert model["deviations"]["torch"] <= summary["tolerance"]
        read = load_model(tmp_path / model["files"]["state"])
        assert read.genotype.key == model["key"]
        assert model["weights"]["input"]["shape"] == ["images", 3, 8, 8]


@pytest.mark.slow  # an export to every format
def test_every_format_names_the_classes(found, make_model, tmp_path):
    one = delivery(found, make_model, ("json", "csv", "state", "torch"), count=2)
    one.write(tmp_path)
    names = ["cat", "dog", "newt", "Ünze [1]"]
    assert (tmp_path / "labels.txt").read_text(encoding="utf-8").splitlines() == names
    assert list(blueprint_from_json((tmp_path / "model-01.json").read_text()).classes) == names
    assert list(load_model(tmp_path / "model-01.pt").classes) == names
    extra = {"classes": ""}
    torch.export.load(tmp_path / "model-01.pt2", extra_files=extra)
    assert json.loads(extra["classes"]) == names
    assert "cat, dog, newt, Ünze [1]" in (tmp_path / "front.html").read_text(encoding="utf-8")


def test_a_delivery_replaces_the_one_before_it(found, make_model, tmp_path):
    """Fewer models and formats leave nothing of an earlier delivery; a file of the user's stays."""
    delivery(found, make_model, ("json", "csv", "state", "table")).write(tmp_path)
    (tmp_path / "mine.json").write_text("mine")
    (tmp_path / "model-mine.pt").write_text("mine")
    delivery(found, make_model, ("csv",), count=1).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "mine.json", "model-mine.pt", "models.csv", "history.csv", "front.html", "front.png", "front.svg",
    }  # fmt: skip


def test_numbers_are_of_the_weights_that_are_delivered(found, make_model, tmp_path):
    """Of a model that was trained again table, csv, json and page say what it reaches, and what was measured before."""
    one = delivery(found, make_model, ("json", "csv", "table", "state"), count=2)
    first, second = map(int, one.chosen)
    again = dataclasses.replace(
        make_model(found.trials[first].genotype), notes={"accuracy": 0.87654, "test_accuracy": 0.81234, "macs": 7}
    )
    summary = dataclasses.replace(one, retrained={first: again}).write(tmp_path)
    before = found.records[first].metrics
    told = summary["models"][0]
    assert (told["metrics"]["accuracy"], told["metrics"]["test_accuracy"]) == (0.87654, 0.81234)
    assert told["inherited"] == {"accuracy": before["accuracy"]}
    assert "inherited" not in summary["models"][1]
    assert load_model(tmp_path / told["files"]["state"]).notes == again.notes
    table = pd.read_csv(tmp_path / "models.csv")
    assert table["accuracy"].tolist() == [0.87654, found.records[second].metrics["accuracy"]]
    assert table["inherited_accuracy"].tolist() == [before["accuracy"], found.records[second].metrics["accuracy"]]
    assert table["weights"].tolist() == ["retrained", "of the run"]
    for name, written in (("models.md", "0.87654"), ("front.html", "87.65 %")):
        text = (tmp_path / name).read_text()
        assert written in text
        assert "inherited accuracy" in text


def test_a_failure_leaves_nothing_new(found, make_model, tmp_path):
    one = delivery(found, make_model, ("json", "state"))
    calls = iter(range(2))

    def failing(row):
        if next(calls, None) is None:
            raise ValueError("no weights")
        return make_model(found.trials[row].genotype)

    broken = Delivery(found=found, chosen=one.chosen, formats=one.formats, weights=failing, about={})
    with pytest.raises(ValueError, match="no weights"):
        broken.write(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    calls = iter(range(2))
    with pytest.raises(ValueError, match="no weights"):
        broken.write(tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["mine.txt"]


def test_what_a_killed_delivery_left_is_gone_after_the_next(found, make_model, tmp_path):
    (tmp_path / ".new-killed").mkdir()
    (tmp_path / ".new-killed" / "model-01.pt").write_bytes(b"half a model")
    delivery(found, make_model, ("json",)).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_loss_is_drawn_upwards_as_an_accuracy_is(found):
    goals = (Objective("loss", False), Objective("macs", False), Objective("params", True))
    records = tuple(
        dataclasses.replace(one, metrics={**one.metrics, "loss": 1 - one.metrics["accuracy"]}) for one in found.records
    )
    by_loss = dataclasses.replace(found, objectives=goals, records=records)
    first, *others = pairs(by_loss)
    assert first == axes(by_loss) == ("macs", "loss")
    assert ("macs", "accuracy") in others
    assert "loss" not in [across for across, up in (first, *others) if up in ("macs", "accuracy")]


def test_the_page_holds_everything_and_escapes_it(found, make_model):
    one = delivery(found, make_model, ("json",))
    text = page(found, models_of(one), {"folder": "a <b> & c </script>"}, True)
    assert "a &lt;b&gt; &amp; c" in text
    shown = text.split('<figure data-name="accuracy against MACs per image">')[1].split("</figure>")[0]
    wide, narrow = shown.split('<div class="narrower">')
    for drawn in (wide, narrow):
        assert drawn.count("<title>") == len(found.trials)  # every network, once
        assert drawn.count('data-of="trial-') == len(found.front)
    for row in found.front:
        assert f'id="trial-{found.trials[row].index}"' in text
    assert "http" not in text.replace("http://www.w3.org", "")  # readable offline
    assert page(found, models_of(one), {}, True) == page(found, models_of(one), {}, True)


def test_a_network_of_the_front_says_how_to_export_it(found, make_model):
    """The command asks for the best by one objective that is as good in the others, which is that network."""
    one = delivery(found, make_model, ("json",))
    text = page(found, models_of(one), {"folder": "run", "exports": "onnx"}, True)
    row = int(found.front[0])
    macs = found.records[row].metrics["macs"]
    command = f"thriftnas run export run --best accuracy --limit 'macs<={macs!r}' --format onnx"
    part = text.split(f'id="trial-{found.trials[row].index}"')[1].split("</section>")[0]
    assert command in shown(part)


def test_a_limit_shows_in_the_page_and_holds_in_the_front(limited, make_model):
    found = read_front(limited)
    assert all(found.records[row].metrics["accuracy"] >= 0.3 for row in found.front)
    one = delivery(found, make_model, ("json",), count=1)
    text = page(found, models_of(one), {}, True)
    assert "at least 30.00\N{NO-BREAK SPACE}%" in text
    assert "limit 30.00 %" in text  # a line of the chart


@pytest.mark.parametrize(
    ("text", "message"), [("jpeg", "unknown format jpeg, expected some of json"), ("", "unknown format none")]
)
def test_unknown_formats_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_formats(text)


def test_formats_are_taken_once_and_in_order():
    assert parse_formats(" csv,json, csv") == ("csv", "json")
