"""EcoNAS as an experiment: the identities that runs have had since before there were experiments, prices and audits."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from econas.audit_request import AuditRequest
from econas.experiment import EcoNASExperiment
from econas.strategy.baselines import ThenRetrain
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters, equal_stages
from econas.table_experiment import TableExperiment
from zoo.experiments import ImageSource
from zoo.population import ProxySetting
from zoo.population.strategy import FixedList
from zoo.spaces.skeleton import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.originals import ORIGINALS


def of_today(identity):
    """A stored identity with the version of today, which continues that of the stored one."""
    assert identity["strategy"]["version"] in EcoNASExperiment.continues
    return identity | {"strategy": identity["strategy"] | {"version": EcoNASExperiment.version}}


STORED = json.loads((Path(__file__).parent / "identities.json").read_text())
IDENTITIES = {name: of_today(identity) for name, identity in STORED.items()}
"""Of runs that the commit before the first experiment made of the digits, by what was special about them."""
SOURCE = ImageSource(name="digits", train=60, validation=40)


def heard(_: str) -> None:
    """Nothing is to be heard."""


def journaled(experiment):
    """The identity as a journal has it, where tuples are lists."""
    return json.loads(json.dumps(experiment.identity()))


@pytest.fixture(scope="module")
def images():
    return SOURCE.images(0)


@pytest.mark.parametrize("kind", IDENTITIES)
def test_an_old_run_is_the_same_run(kind, images):
    found = EcoNASExperiment.from_identity(IDENTITIES[kind], {})
    assert journaled(found) == IDENTITIES[kind]
    assert found.audits is None
    assert journaled(found.fitted(images, heard)) == IDENTITIES[kind]


def test_experiments_are_made_and_read_without_torch():
    code = (
        "import sys, econas, econas.experiment, econas.table_experiment\n"
        "assert all(hasattr(econas, name) for name in econas.__all__)\n"
        "print({'torch', 'ray'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def planned(method="hierarchical", **changes):
    """What the command makes of its options, before there are images."""
    cheap = ProxySetting.parse("c1r0s0e2")
    numbers = {
        "start": 4, "parents": (2, 1), "promotions": (1,), "stages": equal_stages(2, cheap), "cycles": 2,
        "setting": cheap, "final": ProxySetting.parse("c0r0s0e2"), "finalists": 2, "final_every": 1,
        "final_price": 1e-9,
    }  # fmt: skip
    setup = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=3), recipe=Recipe(batch=20, lr=0.1, lr_min=0.0, cutout=0.0), engine="auto"
    )
    final = dataclasses.replace(setup, recipe=dataclasses.replace(ORIGINALS["cifar"].recipe, batch=20))
    apart = {name: changes.pop(name) for name in ("audits", "group", "space") if name in changes}
    parameters = Parameters(**(numbers | changes))
    return EcoNASExperiment(method=method, parameters=parameters, setup=setup, final=final, **apart)


def test_fitting_gives_the_identity_that_the_command_always_gave(images):
    said = []
    assert journaled(planned(audits=AuditRequest()).fitted(images, said.append)) == IDENTITIES["plain"]
    assert len(said) == 1
    assert said[0].startswith("no audits: 10 % of the search is 1.333 epochs")
    audits = AuditRequest(mode="escalate", count=1, share=0.8, limit=0.99)
    fitted = planned(audits=audits, cycles=3, group=2).fitted(images, heard)
    assert journaled(fitted) == IDENTITIES["audits"]
    fitted = planned("random", budget=60.0, audits=AuditRequest()).fitted(images, heard)
    assert journaled(fitted) == IDENTITIES["random"]
    assert fitted.identity()["strategy"]["parameters"]["final_price"] == 1.3599


@pytest.mark.parametrize("kind", IDENTITIES)
def test_its_strategy_is_its_methods(kind):
    found = EcoNASExperiment.from_identity(IDENTITIES[kind], {})
    expected = HierarchicalSearch if found.method == "hierarchical" else ThenRetrain
    assert isinstance(found.strategy(), expected)
    assert found.terms.parameters == found.parameters
    assert found.total(found.strategy()) == pytest.approx(found.parameters.total)


def test_a_trial_costs_its_epochs_at_its_settings_price():
    found = EcoNASExperiment.from_identity(IDENTITIES["plain"], {})
    (first,) = found.strategy().ask(1, 0)
    retrained = dataclasses.replace(first, setting=found.parameters.final, stop=2)
    assert found.price(first) == 1
    assert found.price(retrained) == pytest.approx(2 * 1.3599)


def test_nothing_is_observed_of_a_strategy_without_audits():
    found = EcoNASExperiment.from_identity(IDENTITIES["random"], {})
    assert found.observe(FixedList([]), None) == ()


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("ends with its budget", lambda: planned("random")),
        ("neither audits nor cycles", lambda: planned("random", budget=60.0, audits=AuditRequest(mode="warn"))),
        ("neither audits nor cycles", lambda: planned("evolution", budget=60.0, asynchronous=True)),
        ("expected --method", lambda: planned("magic")),
        ("expected --audit", lambda: planned(audits=AuditRequest(mode="often"))),
        ("group and audits must be at least 1", lambda: planned(audits=AuditRequest(count=0))),
        ("the final setting must differ", lambda: planned(final=ProxySetting.parse("c1r0s0e2"))),
        ("unknown search space", lambda: planned(space="nas-bench-201")),
        ("the seed must not be negative", lambda: TableExperiment(seed=-1)),
        ("expected a run of 'econas-table'", lambda: TableExperiment.from_identity(IDENTITIES["plain"], {})),
    ],
)
def test_what_does_not_go_together_is_refused(message, make):
    with pytest.raises(ValueError, match=message):
        make()


def test_audits_wanted_by_name_must_be_had(images):
    with pytest.raises(ValueError, match="of 4 networks at c0r0s0e2 cost"):
        planned(audits=AuditRequest(mode="warn")).fitted(images, heard)
