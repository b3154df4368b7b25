"""CSV files: numbers are read as they are written."""

import gzip
import math

import numpy as np
import pandas as pd
import pytest

from zoo.population.csv_file import numbers_in, read_csv


def test_numbers_are_read_to_the_last_bit(tmp_path):
    numbers = np.random.default_rng(0).uniform(80, 95, 3000)
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress("\n".join(["x", *map(repr, numbers.tolist())]).encode()))
    assert (read_csv(path)["x"].to_numpy() == numbers).all()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00nothing"])
def test_what_is_no_table_is_one_line(tmp_path, content):
    path = tmp_path / ("table.csv.gz" if content else "table.csv")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a CSV table: "):
        read_csv(path)


def test_rows_of_more_cells_than_the_header_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("arch,mean_acc\n2100,50,50.5\n2101,51,51.5\n")
    with pytest.raises(ValueError, match="has rows of more cells than its header"):
        read_csv(path)


def test_what_is_no_number_or_beyond_them_is_not_an_error():
    found = numbers_in(pd.DataFrame({"a": [1, 10**400, "x", "2.5"], "b": [1, 2, 3, 4]}, dtype=object))
    assert found["a"].tolist()[:2] == [1.0, math.inf]
    assert found["a"].isna().tolist() == [False, False, True, False]
    assert found["b"].tolist() == [1, 2, 3, 4]
