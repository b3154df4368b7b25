"""Every command of every document is run, with small sizes, or says why it is not."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.documented import commands_of, run_of, unrun_of
from tests.installed import run_lines
from tests.overriding import overridden
from tests.photos import cats_and_dogs
from tests.test_readme import DOCUMENTS, ROOT, command_lines, read
from zoo.spaces.chain_space import CHAIN_SPACES, NAS_BENCH_201

RUN = sorted(
    name for name in DOCUMENTS if re.fullmatch(r"README.md|docs/(index|choosing).md|docs/(recipes|methods)/.*", name)
)
ELSEWHERE = {
    "docs/extending.md": "tests/test_extending.py",
    "docs/cluster.md": "tests/test_cluster_page.py",
    "docs/results.md": "",  # what was run, as it was run: hours each
}
"""By document the test that runs its commands."""
CELLS = "--channels 4 --cells 3 --resolution 8 --batch 16"
SMALL = {
    "zoo study": f"{CELLS} --models 3 --setting c2r0s0e1 --reference c0r0s0e1 --scores none --workers 1",
    "zoo build": f"{CELLS} --models 2 --setting c0r0s0e1",
    "zoo train": f"{CELLS} --epochs 1",
    "econas search": f"{CELLS} --setting c2r0s0e3 --reference c0r0s0e1 --generations 1 --start 3 --parents 1,0,0 "
    "--promotions 0,0 --budget 40 --finalists 1 --final-batch 16 --compare 0 --workers 1",
    "scarlet train": "--channels 4 --resolution 8 --batch 16 --epochs 1",
    "scarlet extract": "--recalibrate 16",
    "scarlet search": "--population 4 --generations 1 --compare 0",
    "darts search": "--channels 4 --cells 3 --nodes 5 --batch 8 --epochs 1 --operations skip_connect,sep_conv_3x3 "
    "--resolution 8 --final-channels 4 --final-cells 3",
    "zoo profile": "--channels 4 --resolution 8 --networks 8",
    "run resume": "--workers 1",
}
"""By command the options that make it small, in the place of those of the page."""
LARGE = ("--params", "--limit", "--audit")
"""Options of which the values fit real sizes only: left out."""


def small(words):
    """The command made small."""
    kept = [
        "imagefolder:photos" if word == "cifar10" else word
        for before, word in zip(["", *words], words, strict=False)
        if word not in LARGE and before not in LARGE
    ]
    if "--table" in words:  # nothing is trained
        return overridden([*words, "--surrogate", "none"])
    if words[:2] == ["zoo", "profile"] and "--space" not in words:  # the file of a model says everything itself
        return words
    if "econas-search" in words and words[:2] == ["zoo", "profile"]:  # a table of cells is for one size
        return overridden([*kept, *SMALL["zoo profile"].split(), "--cells", "3"])
    if words[:2] == ["run", "export"] and "--models" in words:  # a small front may have one network
        return overridden([*words, "--models", "1"])
    return overridden([*kept, *SMALL.get(" ".join(words[:2]), "").split()])


def material(folder):
    """What the pages speak of: photos, a table of one's own and a published one, architectures."""
    rng = np.random.default_rng(0)
    cats_and_dogs(folder / "photos")
    cats_and_dogs(folder / "more-photos")
    Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(folder / "photo.png")
    columns = {name: rng.normal(size=40) for name in ("acc_1", "acc_2", "acc_12ep", "zc_one", "zc_two")}
    pd.DataFrame(columns | {"macs": rng.uniform(1e6, 2e6, 40)}).to_csv(folder / "table.csv", index=False)
    cells = np.array(list(np.ndindex(NAS_BENCH_201.options)))
    made = {
        "arch_str": [NAS_BENCH_201.write(tuple(map(int, cell))) for cell in cells],
        "cifar10_ep12_valid_acc": 60 + cells.sum(axis=1),
        "cifar10_ep200_test_acc": 70 + cells.sum(axis=1),
        "flops_M": 10 + cells.sum(axis=1),
        "params_M": 1 + cells.sum(axis=1) / 10,
    }
    pd.DataFrame(made).to_csv(folder / "nas_bench_201_cifar10.csv.gz", index=False)
    chain = CHAIN_SPACES["scarlet-s2-cifar"].sample(rng)
    (folder / "chain.json").write_text(chain.to_json())


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in (*RUN, *ELSEWHERE)])
def test_commands_that_no_test_runs_say_why(name):
    assert commands_of(run_of(read(name))) == []


@pytest.mark.parametrize("name", sorted(filter(None, ELSEWHERE.values())))
def test_a_test_of_its_own_reads_its_page(name):
    assert next(page for page, test in ELSEWHERE.items() if test == name).split("/")[1] in read(name)


@pytest.mark.parametrize("name", RUN)
def test_what_is_to_be_run_are_commands_of_ours(name):
    text = run_of(read(name))
    assert [line for line in commands_of(text) if not line.startswith("thriftnas ")] == []
    assert all(len(why) > len("no") for _, why in unrun_of(read(name)))


def test_a_mark_takes_out_the_block_that_follows_it():
    text = "<!-- not run: it costs a day -->\n```sh\nmake day\n```\n\n```sh\nmake minute\n```\n"
    assert unrun_of(text) == [("make day", "it costs a day")]
    assert commands_of(run_of(text)) == ["make minute"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RUN)
def test_the_commands_run_one_after_another(name, tmp_path):
    material(tmp_path)
    lines = [shlex.join(["thriftnas", *small(words)]) for words in command_lines(run_of(read(name)))]
    answers = run_lines(lines, [], tmp_path, lambda line: False)
    assert [answer for answer in answers if answer.code] == []
    assert list(Path(tmp_path).rglob("*.html")) or name == "docs/recipes/own.md"


@pytest.mark.slow
def test_the_space_of_ones_own_is_drawn_and_priced(capsys):
    (block,) = re.findall(r"^```python\n(.*?)^```", read("docs/recipes/own.md"), re.MULTILINE | re.DOTALL)
    exec(compile(block, "own.md", "exec"), {})
    assert int(capsys.readouterr().out.split()[-1]) > 0


def test_every_document_is_named_once():
    assert set(RUN).isdisjoint(ELSEWHERE)
    assert set(ELSEWHERE) <= set(DOCUMENTS)
    assert (ROOT / "docs" / "demo.svg").exists()
