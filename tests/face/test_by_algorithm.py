"""A search by an algorithm of pymoo, and a search as a problem: on a table and in a supernet, from Python."""

import numpy as np
import pandas as pd
import pytest

import thriftnas
from tests.face.conftest import small
from tests.face.test_jobs import Impatient, Killed, told
from zoo.experiments.fronts import Wanted, deliver
from zoo.population.table import LAYOUTS

pytestmark = pytest.mark.usefixtures("without_drawing")
FEW = {"population": 6, "budget": 14, "group": 4, "progress": False}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    layout = LAYOUTS[1]
    choices = np.array(list(np.ndindex(layout.space.options)))
    size = (choices * (1 + np.arange(8) % 3)).sum(axis=1)
    path = tmp_path_factory.mktemp("table") / "macro.csv"
    columns = {
        "arch": [layout.space.write(tuple(map(int, one))) for one in choices],
        "mean_acc": np.round(100 * (1 - np.exp(-size / 9)), 3),
        "params": 1000 + 10 * size,
        "flops": 1e6 * (1 + size),
    }
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def measured(run):
    with run.journal() as journal:
        return journal.trials(), journal.records()


def test_a_killed_search_goes_on_to_the_same_digest_and_the_front_of_the_problem(table, tmp_path):
    goal = {"table": table, "maximize": "accuracy", "minimize": "macs", "limit": "macs<=20e6", "seed": 3}
    whole = thriftnas.front_by("NSGA2", folder=tmp_path / "whole", **goal, **FEW)
    with pytest.raises(Killed):
        thriftnas.front_by("NSGA2", folder=tmp_path / "run", **goal, **{**FEW, "progress": Impatient(9)})
    assert not thriftnas.load_run(tmp_path / "run").finished
    run = thriftnas.resume(tmp_path / "run", progress=False)
    assert (run.kind, run.digest) == ("pymoo", whole.digest)
    trials, _ = measured(run)
    assert len(trials) == 14
    assert run.front().losses[:, 1].max() <= 20e6
    assert "audit" not in (run.folder / "front.html").read_text()
    problem = thriftnas.problem(**goal, progress=False)
    from zoo.population.pymoo_algorithm import algorithm

    nsga2 = algorithm("NSGA2", 6)(problem)
    nsga2.setup(problem, termination=("n_gen", 50), seed=3, verbose=False)
    while len(problem.known) < 14:
        nsga2.next()
    assert list(problem.known)[:14] == [trial.genotype.choices for trial in trials]


def test_a_supernet_is_searched_and_gives_its_networks(data, tmp_path):
    net = thriftnas.supernet(data, tmp_path / "net", **small("supernet"))
    goal = {"maximize": "accuracy", "minimize": "macs", "images": data}
    run = thriftnas.front_by("SPEA2", net, tmp_path / "run", **goal, **{**FEW, "budget": 6})
    problem = thriftnas.problem(net, **goal, progress=False)
    trials, records = measured(run)
    losses = problem.evaluate(np.array([trial.genotype.choices for trial in trials]))
    expected = [[-records[t.index].metrics["accuracy"], records[t.index].metrics["macs"]] for t in trials]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert [one.choices for one in problem.terms.genotypes(list(problem.known))] == list(problem.known)
    assert deliver(run, Wanted(models=1, formats=("state",)), tmp_path / "export")["models"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"algorithm": "NSGA9"}, "algorithm must be one of CTAEA"),
        ({"budget": 0}, "evaluations must be at least 1, got 0"),
        ({"limit": "macs<=5", "population": 100}, "no network found with macs<=5"),
        ({"limit": "macs<=30e6", "algorithm": "MOEAD"}, "MOEAD cannot go on"),
        ({"generations": 3}, "front_by has no option 'generations'"),
        ({"device": "cpu"}, "front_by has no use here for device"),
        ({"minimize": "energy"}, "nobody measures 'energy'"),
        ({"supernet": "net.pt"}, "either a supernet or table=FILE"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(more, message, table, tmp_path):
    given = {"algorithm": "NSGA2", "table": table, "folder": tmp_path / "run", **FEW, **more}
    with pytest.raises(ValueError, match=message) as error:
        thriftnas.front_by(**given)
    told(error)
    assert not (tmp_path / "run").exists()
