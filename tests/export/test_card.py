"""The card of a model: what whoever deploys it must know, and what is not known is not said."""

import dataclasses
import json

import pytest

from zoo.export.card import Card, accuracy_sentence, markdown_page
from zoo.population.share import wilson
from zoo.spaces.chain_cost import network_cost


@pytest.fixture
def model(make_model, chain):
    return make_model(chain)


def test_the_facts_are_what_a_deployment_needs(model):
    card = Card(
        model=model, images={"validation_images": 200}, run="runs/front", digest="abc", metrics={"latency": 1.5}
    )
    facts, price = card.facts, network_cost(model.genotype, model.skeleton)
    assert facts["classes"] == list(model.classes)
    assert facts["input"] == {"shape": ["images", 3, 8, 8], "dtype": "float32", "range": [0, 1]}
    assert facts["normalisation"]["mean"] == list(model.mean)
    assert (facts["macs"], facts["params"]) == (price.macs, price.params)
    assert (facts["run"], facts["digest"], facts["latency"]) == ("runs/front", "abc", 1.5)
    low, high = wilson(0.5, 200)
    assert facts["accuracy"] == {
        "value": 0.5, "split": "validation", "images": 200, "low": low, "high": high, "level": 0.95,
    }  # fmt: skip
    assert {name: json.loads(value) for name, value in card.metadata().items()} == facts


def test_test_images_come_first_and_the_models_own_counts(model):
    notes = {"accuracy": 0.9, "validation_images": 30, "test_accuracy": 0.8, "test_images": 50}
    card = Card(model=dataclasses.replace(model, notes=notes), images={"test_images": 999})
    assert (card.accuracy["value"], card.accuracy["images"], card.accuracy["split"]) == (0.8, 50, "test")


def test_an_accuracy_of_nobody_knows_how_many_images_has_no_interval(model):
    assert Card(model=model).accuracy == {"value": 0.5, "split": "validation"}
    assert Card(model=dataclasses.replace(model, notes={})).accuracy == {}
    assert "accuracy" not in Card(model=dataclasses.replace(model, notes={})).facts
    assert accuracy_sentence({}) == "not measured"


def test_the_interval_is_wilsons():
    assert wilson(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)  # by hand
    assert wilson(1.0, 20)[1] == 1.0
    assert wilson(0.0, 20)[0] == 0.0


def test_the_page_says_everything_of_every_model(model):
    text = markdown_page([(Card(model=model), {"onnx": "model-01.onnx"}), (Card(model=model), {})])
    for word in ("## Model 1: `model-01.onnx`", "## Model 2", "cat, dog, newt, Ünze [1]", "Pillow", "MACs per image"):
        assert word in text
    assert "python predict_onnx.py model-01.onnx" in text
    assert "predict_onnx" not in markdown_page([(Card(model=model), {"state": "model-01.pt"})])
