"""Runs of schema 1 are replayed, continued and reported by the strategies of today."""

import json
import sqlite3

import numpy as np
import pytest

from econas.history.history import history
from econas.history.survival import cycles
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from milenas.history.findings import find
from milenas.strategy.search import SupernetSearch
from milenas.supernet.config import read_config
from scarlet.strategy.nsga import Goal, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.replay import replayed
from tests.old_runs import expected, write_old_run
from zoo.experiments import Run
from zoo.population import Journal, Manager, ProxySetting, RandomSearch, Record, SerialExecutor
from zoo.population.costs import TableCosts
from zoo.population.front import Limit, Objective
from zoo.population.journal import FILE
from zoo.population.run_front import read_front
from zoo.reliability.study import Study
from zoo.spaces import CELL_SPACES
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.spaces.genotype import genotype_from_json
from zoo.training.retraining import Retraining


def prices():
    """Those of the table that the search of the fixture was on."""
    size = sum(index * (1 + i % 3) for i, index in enumerate(np.indices((3,) * 8)))
    return TableCosts({"macs": 1e6 * (1 + size), "params": 1000.0 + 10 * size})


def make(name, journal):
    """The strategy of a run of the fixture, fresh, as its identity says, and its trials a batch."""
    identity, trials = journal.identity, journal.trials()
    asked = identity["strategy"]
    setting = ProxySetting.parse(asked["setting"]) if "setting" in asked else trials[-1].setting
    if name == "study":
        grid = [ProxySetting.parse(text) for text in asked["settings"]]
        reference, space = ProxySetting.parse(asked["reference"]), CELL_SPACES[asked["space"]]
        strategy = Study(
            space, grid, reference, repeats=asked["repeats"], growth=journal.get("growth"), batch=identity["group"],
            seed=asked["seed"],
        )  # fmt: skip
    elif name == "build":
        strategy = RandomSearch(CELL_SPACES[asked["space"]], setting, journal.get("growth")[-1], asked["seed"])
    elif name == "econas":
        parameters = Parameters.from_dict(asked["parameters"])
        strategy = HierarchicalSearch(CELL_SPACES[asked["space"]], parameters, asked["seed"])
    elif name == "scarlet":
        goal = Goal(
            objectives=tuple(map(Objective.parse, asked["objectives"])),
            weights=tuple(asked["weights"]),
            limits=tuple(map(Limit.parse, asked["limits"])),
        )
        strategy = WeightedSearch(
            NAS_BENCH_MACRO, prices(), goal, SearchParameters(**asked["parameters"]), asked["seed"]
        )
    elif name == "darts":
        strategy = SupernetSearch(
            read_config(trials[0].genotype), asked["epochs"], per_epoch=asked["per_epoch"], retrain=asked["retrain"],
            retrain_epochs=identity["setup"]["retrain_epochs"],
        )  # fmt: skip
    else:
        genotype = genotype_from_json(asked["genotype"]) if name == "train" else trials[0].genotype
        strategy = Retraining([genotype], setting, role=trials[0].role)
    return strategy, identity.get("group", 1)


STRATEGIES = ("study", "build", "train", "econas", "scarlet", "supernet", "darts")


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_old_run_replays_to_its_end(name, tmp_path):
    journal = Journal.open(write_old_run(name, tmp_path / "run"), readonly=True)
    strategy, batch = make(name, journal)
    manager = Manager(strategy, journal, batch=batch)
    assert len(manager.records) == expected(name)["counts"]["trials"]
    assert strategy.ask(batch, len(manager.trials)) == []
    journal.close()


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "darts"])  # whose version is another
def test_an_old_run_goes_on_and_ends_with_the_same_measurements(name, tmp_path):
    whole = Journal.open(write_old_run(name, tmp_path / "whole"), readonly=True)
    known, events = whole.records(), len(whole.events())

    def measured(jobs):
        return [(Record.from_dict(known[job.trial.index].to_dict()), None) for job in jobs]

    for kept in {0, 1, events // 3, events // 2 + 1, events - 1}:
        journal = Journal.open(write_old_run(name, tmp_path / str(kept), kept))
        strategy, batch = make(name, whole)
        assert Manager(strategy, journal, batch=batch).run(SerialExecutor(measured))
        assert journal.get("schema") == 2
        assert [plain(one) for one in journal.trials()] == [plain(one) for one in whole.trials()]
        assert {i: one.metrics for i, one in journal.records().items()} == {i: one.metrics for i, one in known.items()}
        again = Manager(make(name, whole)[0], journal, batch=batch)  # half of one schema, half of the other
        assert len(again.trials) == len(known)
        journal.close()
    whole.close()


def plain(trial):
    """A trial without the tag that schema 1 did not know."""
    return {name: value for name, value in trial.to_dict().items() if name != "tags"} | {
        "tags": {name: value for name, value in trial.tags.items() if name != "cycle"}
    }


@pytest.mark.parametrize("kept", [None, 0, 11, 40, 73])
def test_an_old_search_has_the_cycles_it_had(kept, tmp_path):
    """Guessed from roles, read from tags, or half of each."""
    whole = Journal.open(write_old_run("econas", tmp_path / "whole"), readonly=True)
    before, known = expected("econas"), whole.records()
    journal = Journal.open(write_old_run("econas", tmp_path / "run", kept))
    if kept is not None:
        strategy, batch = make("econas", whole)
        Manager(strategy, journal, batch=batch).run(
            SerialExecutor(lambda jobs: [(Record.from_dict(known[job.trial.index].to_dict()), None) for job in jobs])
        )
    found = history(journal)
    assert [one.cycle for one in found.trainings] == before["cycles"]
    assert [[one.number, one.children, list(one.promoted), one.audits] for one in cycles(found)] == before["summary"]
    assert found.winner.trial.index == before["winner"]
    journal.close()
    whole.close()


def test_an_old_front_is_the_same_front(tmp_path):
    before = expected("scarlet")
    journal = Journal.open(write_old_run("scarlet", tmp_path / "run"), readonly=True)
    found = read_front(journal)
    assert [found.trials[row].index for row in found.front] == before["front"]
    assert found.generations.tolist() == before["generations"]
    growth = found.growth().to_dict("list")
    assert growth == {name: pytest.approx(values) for name, values in before["growth"].items()}
    assert len(replayed(journal, prices()).survivors) == before["generations"][-1] + 1
    journal.close()


def test_what_an_old_search_of_cells_found_is_found_again(tmp_path):
    before = expected("darts")
    run = Run.open(write_old_run("darts", tmp_path / "run"))
    found = find(run, run.experiment)
    assert [[one.epoch, one.genotype.to_dict(), list(one.size)] for one in found.derived] == before["derived"]
    assert [dict(epoch.metrics) for epoch in found.epochs] == before["metrics"]
    assert [[one.derived.genotype.key, one.trial, one.complete] for one in found.retrained] == before["retrained"]


# ---------------------------------------------------------------- every strategy there is


def as_schema_1(folder):
    """Rewrite a journal as the code of schema 1 would have written it."""
    db = sqlite3.connect(folder / FILE)
    for number, text in db.execute("SELECT number, trial FROM trials").fetchall():
        trial = json.loads(text)
        tags = trial.pop("tags", {})
        if "generation" in tags:
            trial["role"] = f"generation {tags['generation']}"
        db.execute("UPDATE trials SET trial = ?, sum = NULL WHERE number = ?", (json.dumps(trial), number))
    db.execute("UPDATE run SET value = '1', sum = NULL WHERE name = 'schema'")
    db.commit()
    db.close()


def test_every_strategy_goes_on_from_schema_1(strategy, tmp_path):
    def measured(jobs):
        rng = np.random.default_rng(jobs[0].trial.index)
        return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": rng.random()}), b"w") for job in jobs]

    folder = tmp_path / "run"
    journal = Journal.create(folder, {})
    manager = Manager(strategy.make(), journal, batch=2)
    assert not manager.run(SerialExecutor(measured), stop=lambda: len(manager.records) >= 4)
    journal.close()
    as_schema_1(folder)
    journal = Journal.open(folder)
    again = Manager(strategy.make(), journal, batch=2)
    assert list(again.trials) == list(manager.trials)  # as they are asked today
    assert again.run(SerialExecutor(measured))
    whole = Journal.memory({})
    plain = Manager(strategy.make(), whole, batch=2)
    assert plain.run(SerialExecutor(measured))
    assert list(again.trials) == list(plain.trials)
    assert list(Manager(strategy.make(), journal, batch=2).trials) == list(plain.trials)
    journal.close()
