"""A front on a published table, its report and its export need no torch, whichever strategy searches."""

import os
import subprocess
import sys
from pathlib import Path

from tests.test_site import WITHOUT_TORCH

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import thriftnas
from zoo.cli import main
from zoo.spaces.chain_space import NAS_BENCH_MACRO

Figure.savefig = lambda _, stream, **__: stream.write(b"<svg/>")  # pictures take long
rows = ["arch,mean_acc,params,flops"]
for choices in np.ndindex(NAS_BENCH_MACRO.options):
    size = sum(choices)
    rows.append(f"{NAS_BENCH_MACRO.write(choices)},{60 + 2 * size},{1000 + size},{1e6 * (1 + size)}")
Path("table.csv").write_text("\\n".join(rows))
goal = dict(table="table.csv", maximize="accuracy", minimize="macs", population=4, progress=False)
run = thriftnas.front(folder="front", generations=1, surrogate="none", **goal)
other = thriftnas.front_by("NSGA2", folder="other", budget=8, **goal)
assert other.finished
assert (run.folder / "front.html").stat().st_size > 10_000
run.export("out", models=1, formats=("json", "csv"))
words = "scarlet search --table table.csv --population 4 --generations 1 --surrogate none --out command"
assert main([*words.split(), "--maximize", "accuracy", "--minimize", "macs"]) == 0
print("torch" in sys.modules, sorted(path.name for path in Path("out").iterdir()))
"""


def test_a_front_on_a_table_is_searched_reported_and_exported_without_torch(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert said.startswith("False ")
    assert "model-01.json" in said
    assert "--format json\n" in done.stdout  # what it says next can be done: a table has no weights
