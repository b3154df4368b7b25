"""CSV files: numbers are read as they are written."""

import gzip

import numpy as np
import pytest

from zoo.population.csv_file import read_csv


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
