"""What commands need to describe themselves and to check their options is imported without torch, Ray and pandas."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "ray", "pandas", "scipy", "sklearn", "matplotlib")

LIGHT = (
    "zoo.data",
    "zoo.data.image_set",
    "zoo.data.sources",
    "zoo.export",
    "zoo.population",
    "zoo.population.costs",
    "zoo.population.front",
    "zoo.population.proxy",
    "zoo.population.strategy",
    "zoo.population.table",
    "zoo.population.trial",
    "zoo.reliability.correlation",
    "zoo.reliability.interval",
    "zoo.reliability.recommendation",
    "zoo.reliability.study",
    "zoo.spaces",
    "zoo.training",
    "zoo.training.originals",
    "zoo.training.recipe",
    "zoo.training.retraining",
    "zoo.training.setup",
    "econas",
    "econas.commands",
    "econas.strategy.baselines",
    "econas.strategy.halving",
    "econas.strategy.hierarchical",
    "econas.strategy.parameters",
    "milenas.strategy.record",
    "milenas.strategy.search",
    "milenas.strategy.size",
    "milenas.supernet.config",
    "milenas.training.rules",
    "milenas.training.setup",
    "scarlet",
    "scarlet.commands",
    "scarlet.evaluation.setup",
    "scarlet.strategy.goal",
    "scarlet.strategy.nsga",
    "scarlet.strategy.parameters",
    "scarlet.supernet.form",
    "scarlet.supernet.rules",
    "scarlet.supernet.recipe",
    "scarlet.supernet.setup",
)


def found_after(code: str) -> str:
    code = f"import sys\n{code}\nprint(sorted(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return result.stdout.strip()


def test_strategies_setups_and_sources_are_imported_without_heavy_libraries() -> None:
    assert found_after("\n".join(f"import {module}" for module in LIGHT)) == "[]"


def test_setups_are_made_without_torch() -> None:
    code = (
        "from zoo.training import Precision, Recipe, TrainingSetup\n"
        "from milenas.training.setup import SearchSetup\n"
        "from scarlet.supernet.setup import SupernetSetup\n"
        "setup = TrainingSetup(recipe=Recipe(batch=8), precision=Precision(device='cuda:1', dtype='bfloat16'))\n"
        "SupernetSetup.from_dict(SupernetSetup(training=setup, sampling='fair').identity())\n"
        "SearchSetup.from_dict(SearchSetup().identity())"
    )
    assert found_after(code) == "[]"


PACKAGES = ["econas", "milenas", "scarlet", "zoo.data", "zoo.export", "zoo.population", "zoo.training"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_offers_what_it_lists_and_nothing_else(package: str) -> None:
    module = __import__(package, fromlist=["_"])
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_a_package_offers_a_function_also_after_the_module_of_its_name_is_imported() -> None:
    code = "import zoo.spaces.cost, zoo.spaces.cell_space\nfrom zoo.spaces import cell_space, cost\n"
    assert found_after(f"{code}assert callable(cost) and callable(cell_space)") == "[]"
