"""A researcher's way: a study, more networks, its tables with pandas, and a judgement on a table of their own."""

import json

import numpy as np
import pandas as pd
import pytest

import thriftnas as face
from tests.journeys.conftest import shape_of, whole

STUDY = (
    "zoo study --data digits --channels 4 --cells 3 --resolution 8 --train 60 --val 60 --batch 20 --reference c0r0s0e3 "
    "--setting c0r{0,4}s0e1 --repeats 2 --scores synflow --group 8 --out runs/study"
)


@pytest.mark.slow
def test_a_study_its_tables_and_ones_own(thriftnas, tmp_path):
    said = thriftnas(f"{STUDY} --models 10")
    assert whole(said, "runs/study/report.html")
    first = face.Run("runs/study").digest
    more = thriftnas(f"{STUDY} --models 14")
    assert shape_of(more)[-1] == shape_of(said)[-1]
    assert face.Run("runs/study").digest != first
    answer = json.loads(thriftnas("run report runs/study --json"))
    assert answer == json.loads((tmp_path / "runs/study/recommendation.json").read_text())

    run = face.Run("runs/study")
    frame, table = run.frame, pd.read_csv(tmp_path / "runs/study/study.csv")
    trained = frame[frame["measure"] != "synflow"] if "measure" in frame else frame
    assert len(frame) == 14 * (2 + 2 + 1)
    assert trained["accuracy"].notna().all()

    full = trained[trained["setting"] == "c0r0s0e3"].groupby("genotype")["accuracy"].agg(list)
    cheap = trained[trained["setting"] == "c0r0s0e1"].set_index("genotype")["accuracy"]
    own = pd.DataFrame({"acc_1": full.str[0], "acc_2": full.str[1], "cheap": cheap.reindex(full.index)})
    own.to_csv(tmp_path / "own.csv", index=False)
    rows = json.loads(thriftnas(
        "zoo analyse own.csv --reference acc_1 --reference acc_2 --proxies cheap --json"
    ))  # fmt: skip
    ours = table[(table["setting"] == "c0r0s0e1") & (table["signal"] == "accuracy")].iloc[0]
    assert rows[0]["spearman"] == pytest.approx(ours["spearman"])
    assert np.isfinite(ours["spearman"])
