"""What a notebook shows of genotypes, trials, records and fronts; everything in it is escaped."""

import xml.etree.ElementTree as ET

import numpy as np

import thriftnas  # noqa: F401  # which lets the nouns show themselves
from thriftnas.notebook import table
from zoo.experiments.report import Report
from zoo.population.front import Objective
from zoo.population.proxy import ProxySetting
from zoo.population.run_front import RunFront
from zoo.population.trial import Record, Trial
from zoo.spaces import PUBLISHED
from zoo.spaces.genotype import ChainGenotype, SpaceGenotype

CELLS = PUBLISHED["DARTS_V2"]


def parsed(text: str) -> ET.Element:
    return ET.fromstring(f"<div>{text}</div>")


def test_cells_are_drawn():
    assert len(parsed(CELLS._repr_html_()).findall("div")) == 2
    assert parsed(CELLS.normal._repr_svg_())[0].tag.endswith("svg")


def test_chains_and_supernets_are_small_tables():
    shown = ChainGenotype("scarlet-s2-cifar", (0, 12, 3))._repr_html_()
    assert "<td>I</td>" in shown
    assert "scarlet-s2-cifar" in shown
    assert "<td>2</td>" in ChainGenotype("elsewhere", (0, 2))._repr_html_()
    assert "<td>keep</td><td>2</td>" in SpaceGenotype("darts", (("keep", 2),))._repr_html_()


def test_trials_and_records_are_small_tables_and_escaped():
    trial = Trial(index=3, genotype=CELLS, setting=ProxySetting.parse("c0r0s0e2"), start=0, stop=2, role="<b>&")
    parsed(trial._repr_html_())
    assert "&lt;b&gt;&amp;" in trial._repr_html_()
    failed = Record(index=3, ok=False, reason="<script>alert(1)</script>", notes={"why": "<i>"})
    parsed(failed._repr_html_())
    assert "<script>" not in failed._repr_html_()
    assert "<i>" not in failed._repr_html_()
    assert "0.512346" in Record(index=0, ok=True, metrics={"accuracy": 0.5123456})._repr_html_()


def test_a_front_is_a_picture_with_a_table():
    trials = tuple(Trial(index=i, genotype=ChainGenotype("<s>", (i,)), setting=None, start=0, stop=1) for i in range(3))
    metrics = [{"accuracy": 0.5, "macs": 1.0}, {"accuracy": 0.7, "macs": 3.0}, {"accuracy": 0.4, "macs": 2.0}]
    found = RunFront(
        name="scarlet",
        objectives=(Objective("accuracy", True), Objective("macs", False)),
        limits=(),
        trials=trials,
        records=tuple(Record(index=i, ok=True, metrics=one) for i, one in enumerate(metrics)),
        losses=np.array([[-one["accuracy"], one["macs"]] for one in metrics]),
        allowed=np.ones(3, dtype=bool),
        generations=np.zeros(3, dtype=np.int64),
        front=np.array([0, 1]),
    )
    shown = parsed(found._repr_html_())
    assert len(shown.findall("div")) == 2
    assert shown.find("table/caption").text == "2 networks on the front of 3"
    assert len(shown.findall("table/tr")) == 3


def test_texts_in_tables_are_escaped():
    assert parsed(table(["<"], [("&", np.float64(0.5), np.int64(3), True)], caption='"<')).find("table") is not None


def test_a_report_is_a_frame_of_its_own():
    shown = Report(summary={}, page='<!DOCTYPE html><style>body { color: red }</style>"<script>')._repr_html_()
    assert parsed(shown)[0].tag == "iframe"
    assert parsed(shown)[0].get("srcdoc").endswith('"<script>')
    assert parsed(shown)[0].get("sandbox") == "allow-scripts"
    assert Report(summary={})._repr_html_() == ""
