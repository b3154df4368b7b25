"""Bad input: one line that names the value and what was expected, exit code 2, and nothing half-written."""

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from zoo.commands.options import Cluster
from zoo.experiments import resume
from zoo.population.journal import Journal
from zoo.spaces.literature import DARTS_V1

CELL = DARTS_V1.to_dict()


@pytest.fixture
def refused(thriftnas, tree, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must be refused; returns its one line."""

    def check(*arguments: object) -> str:
        before = tree(tmp_path)
        answer = thriftnas(*arguments)
        assert answer.code == 2
        assert answer.out.strip() == ""
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1
        assert tree(tmp_path) == before
        return answer.err

    return check


@pytest.fixture
def refused_study(refused, study: list[str]) -> Callable[..., str]:
    """Runs the tiny study with changes that must be refused."""
    return lambda *changes: refused(*study, "--out", "runs/new", *changes)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--data", "cifar11", "digits"),
        ("--data", "imagefolder:", "imagefolder:DIR"),
        ("--data", "imagefolder:nowhere", "folder"),
        ("--setting", "c9r0s0e1", "level c9 does not exist, expected c0 to c4"),
        ("--setting", "c0r{0,7}s0e1", "level r7 does not exist, expected r0 to r4"),
        ("--setting", "c0r0", "c{0,2,4}"),
        ("--setting", "c{0,x}r0s0e1", "level"),
        ("--setting", "e0", "c{0,2,4}"),
        ("--setting", "", "expected a form"),
        ("--reference", "c0r0s5e1", "level s5 does not exist, expected s0 to s4"),
        ("--reference", "full", "c4r4s0e60"),
        ("--space", "darts2", "econas-zoo"),
        ("--resolution", "18", "multiple of 4"),
        ("--train", "100000", "expected 1 to"),
        ("--val", "100000", "expected 1 to"),
        ("--seed", "-1", "negative"),
        ("--device", "tpu", "cuda"),
        ("--device", "cuda:99", "auto or cpu"),
        ("--device", "cpu:1", "auto"),
        ("--dtype", "float16", "bfloat16"),
        ("--target", "0", "between 0 and 1"),
        ("--target", "1", "between 0 and 1"),
        ("--target", "-0.5", "between 0 and 1"),
        ("--target", "nan", "between 0 and 1"),
        ("--until", "sometimes", "models or decided"),
        ("--at-least", "0.5", "at least 1"),
        ("--at-least", "-2", "at least 1"),
        ("--at-least", "nan", "at least 1"),
        ("--metric", "loss", "balanced_accuracy"),
        ("--signals", "acuracy", "accuracy, "),
        ("--signals", "loss,loss", "each once"),
        ("--signals", "none", "at least one"),
        ("--signals", "", "''"),
        ("--scores", "synflo", "synflow, "),
        ("--scores", "macs", "counted for every report"),
        ("--scores", "zico,zico", "each once"),
        ("--gpus", "-0.5", "from 0 up"),
        ("--gpus", "nan", "from 0 up"),
        ("--gpus", "inf", "from 0 up"),
        *[("--time", text, "90s, 30m or 2h") for text in ("2 hours", "0s", "-1h", "h", "1d", "1e3s", "", "١s")],
        *[("--address", text, "host:port") for text in ("nonsense", "host:", ":80", "ray://", "host:http")],
        ("--address", "127.0.0.1:99999", "no Ray cluster answers"),
        ("--address", "auto", "no running Ray cluster"),
    ],
)
def test_a_study_names_the_value_and_what_was_expected(refused_study, option, value, expected):
    line = refused_study(option, value)
    assert expected in line
    # a level is named alone, the word auto stands for what was found
    assert value == "auto" or value.removeprefix("imagefolder:").removeprefix("-") in line or "does not exist" in line


@pytest.mark.parametrize("value", ["0", "-1"])
@pytest.mark.parametrize(
    "option",
    ["models", "repeats", "channels", "cells", "batch", "train", "val", "workers", "threads", "group", "resolution"],
)
def test_counts_of_a_study_are_positive(refused_study, option, value):
    line = refused_study(f"--{option}", value)
    assert option in line
    assert value in line


@pytest.mark.parametrize("value", ["0", "-1"])
@pytest.mark.parametrize(
    "option", ["models", "channels", "cells", "batch", "train", "val", "workers", "threads", "group", "resolution"]
)
def test_counts_of_a_zoo_are_positive(refused, build, option, value):
    line = refused(*build, "--out", "runs/new", f"--{option}", value)
    assert option in line
    assert value in line


@pytest.mark.parametrize("value", ["0", "-1"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("zoo", "sample"), "--models"),
        (("zoo", "cost", "DARTS_V1"), "--channels"),
        (("zoo", "cost", "DARTS_V1"), "--cells"),
        (("zoo", "cost", "DARTS_V1"), "--resolution"),
        (("zoo", "cost", "DARTS_V1"), "--in-channels"),
        (("zoo", "cost", "DARTS_V1"), "--classes"),
        (("predict", "model.pt", "image.png"), "--top"),
    ],
    ids=str,
)
def test_other_counts_are_positive(refused, command, option, value):
    line = refused(*command, option, value)
    assert option.removeprefix("--").replace("-", "_") in line
    assert value in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["zoo", "cost", "DARTS_V1", "--resolution", "30"], ["30", "multiple of 4"]),
        (["zoo", "cost", "DARTS_V1", "--form", "imagenet", "--resolution", "36"], ["36", "multiple of 32"]),
        (["zoo", "cost", "DARTS_V1", "--form", "mobile"], ["'mobile'", "imagenet"]),
        (["zoo", "cost", "DARTS_V1", "--setting", "c5r0s0e1"], ["c5", "c4"]),
        (["zoo", "cost", "DARTS_V3"], ["'DARTS_V3'", "DARTS_V2"]),
        (["zoo", "sample", "--space", "nasnet"], ["'nasnet'", "econas-zoo"]),
        (["zoo", "sample", "--seed", "-3"], ["-3", "seed"]),
        (["zoo", "build", "--setting", "c0r0s0"], ["'c0r0s0'", "c4r4s0e60"]),
        (["zoo", "build", "--space", "nasnet"], ["'nasnet'", "econas-zoo"]),
        (["run", "report", "x", "--target", "2"], ["2", "between 0 and 1"]),
        (["run", "report", "x", "--metric", "loss"], ["'loss'", "balanced_accuracy"]),
    ],
    ids=" ".join,
)
def test_other_commands_name_the_value_and_what_was_expected(refused, arguments, named):
    line = refused(*arguments)
    assert all(word in line for word in named)


@pytest.mark.parametrize(("scores", "named"), [("synflow,,zico", "''"), ("zico,none", "'none'"), ("", "''")])
def test_scores_are_names_or_none_at_all(refused_study, scores, named):
    line = refused_study("--scores", scores)
    assert "expected synflow, " in line
    assert line.endswith(f"got {named}\n")


@pytest.mark.parametrize("models", ["11", "1"])
def test_a_study_until_decided_has_enough_networks_for_its_first_look(refused_study, models):
    line = refused_study("--until", "decided", "--models", models)
    assert f"models must be at least 12 until decided, for that is the first look, got {models}" in line


def test_no_epochs(refused_study):
    assert "epochs must be at least 1, got e0" in refused_study("--setting", "c0r0s0e0")


def changed(**fields: object) -> str:
    return json.dumps({**CELL, **fields})


def with_edge(operation: str, source: int) -> str:
    nodes = [list(edges) for edges in CELL["normal"]["nodes"]]
    nodes[1] = [[operation, source], nodes[1][1]]
    return changed(normal={**CELL["normal"], "nodes": nodes})


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"{not json", "must be JSON"),
        (b"", "must be JSON"),
        (b"\x89PNG\xff\xfe\x00", "binary"),
        (b"[" * 100_000, "must be JSON"),
        (b"[1, 2]", "JSON object"),
        (changed(schema=7), "schema 7 is not known, expected 1"),
        (changed(kind="tree"), "kind 'tree'"),
        (changed(extra=1), "fields"),
        (with_edge("conv_99x99", 0), "unknown operation 'conv_99x99'"),
        (with_edge("skip_connect", 3), "node 3 reads node 3: a cycle"),
        (with_edge("skip_connect", 4), "node 3 reads node 4: a cycle"),
        (with_edge("skip_connect", 9), "node 9, which is missing"),
        (changed(normal={"nodes": [], "concat": []}), "at least one"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_a_genotype_file_that_is_none(refused, tmp_path, content, named):
    (tmp_path / "cell.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused("zoo", "cost", "cell.json")
    assert line.startswith("error: cell.json: ")
    assert named in line
    assert len(line) < 400


def test_a_genotype_that_is_a_folder(refused, tmp_path):
    (tmp_path / "cells").mkdir()
    assert "'cells' is neither a file nor a public name" in refused("zoo", "cost", "cells")


def test_an_empty_image_folder(refused_study, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "at least 2 folders" in refused_study("--data", "imagefolder:empty")


def test_an_image_folder_of_one_class(refused_study, tmp_path):
    (tmp_path / "one" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "cat" / "0.png")
    line = refused_study("--data", "imagefolder:one")
    assert "at least 2 folders" in line
    assert "'cat'" in line


def test_a_class_without_images(refused_study, photos):
    (photos / "bird").mkdir()
    assert "photos/bird: expected at least one image" in refused_study("--data", f"imagefolder:{photos}")


def test_a_corrupt_image_is_named(refused_study, photos):
    (photos / "dog" / "07.png").write_bytes((photos / "dog" / "07.png").read_bytes()[:50])
    line = refused_study("--data", f"imagefolder:{photos}", "--resolution", 8, "--train", 40, "--val", 20)
    assert "07.png" in line


@pytest.mark.parametrize("command", ["study", "build"])
def test_an_output_folder_with_other_content_is_left_alone(refused, request, tmp_path, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("three years of work")
    line = refused(*request.getfixturevalue(command), "--out", "mine")
    assert "mine holds 'thesis.tex' and no run" in line


def test_a_zoo_does_not_continue_a_study(refused, build, finished):
    assert "strategy.name is" in refused(*build, "--out", finished)


@pytest.mark.parametrize("out", ["note", "note/runs", "note/runs/a"])
def test_an_output_folder_below_a_file(refused, study, tmp_path, out):
    (tmp_path / "note").write_text("a file")
    assert "note is a file, expected a folder" in refused(*study, "--out", out)


def test_samples_into_a_path_below_a_file(refused, tmp_path):
    (tmp_path / "note").write_text("a file")
    assert "note" in refused("zoo", "sample", "--out", "note/cells")


@pytest.mark.parametrize("inside", ["", "run"])
def test_a_read_only_folder(refused, study, tmp_path, inside):
    (tmp_path / "locked").mkdir(mode=0o500)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write anywhere")
    assert "cannot be written" in refused(*study, "--out", Path("locked", inside))


def test_a_folder_that_may_not_be_written_is_found_before_the_images_load(refused, study, tmp_path, monkeypatch):
    # the same for users who may write anywhere: the system's answer is replaced
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    line = refused(*study, "--data", "imagefolder:nowhere", "--out", "locked/run")
    assert "locked cannot be written" in line


def test_a_ray_address_nobody_answers(refused_study):
    with socket.socket() as closed:  # bound but not listening: refuses, and nobody else can take the port
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        for form in (address, f"ray://{address}"):
            assert f"no Ray cluster answers at {form}" in refused_study("--address", form)


def test_gpus_this_machine_does_not_have_are_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device, got 1"):
        Cluster(workers=2, gpus=1.0).resources()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--gpus", "0", "--workers", "4"), "--gpus 0"),
        (("--device", "cuda:1", "--gpus", "0.25"), "expected --device cuda, got cuda:1"),
        (("--gpus", "0", "--workers", "4", "--dry-run"), "--gpus 0"),
    ],
    ids=" ".join,
)
def test_workers_that_would_share_a_gpu_unasked(refused_study, monkeypatch, options, named):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("zoo.experiments.source.ImageSource.load", lambda *_: pytest.fail("images were loaded"))
    assert named in refused_study(*options)


@pytest.mark.parametrize("again", ["zoo study", "run resume"])
def test_a_run_begun_on_a_gpu_that_is_not_here(refused, study, finished, monkeypatch, again):
    """Before its images are loaded; a run that has ended may have its report written anywhere."""
    with contextlib.closing(Journal.open(finished)) as journal:
        identity = journal.identity
        identity["setup"]["precision"]["device"] = "cuda"
        journal.set("identity", identity)
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("zoo.experiments.source.ImageSource.load", lambda *_: pytest.fail("images were loaded"))
        with pytest.raises(pytest.fail.Exception, match="images were loaded"):
            resume(finished)
        journal.set("finished", False)
    if again == "run resume":
        assert "on cuda, which this machine does not have" in refused("run", "resume", finished)
    else:
        assert "device 'cuda' is not available here" in refused(*study, "--device", "cuda", "--out", finished)
