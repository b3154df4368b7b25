"""Caches: in the home, or where one may write, which is said once."""

import os
import stat

import pytest

from zoo.data import caches
from zoo.data.caches import user_cache


@pytest.fixture(autouse=True)
def _passing_anew(monkeypatch, tmp_path):
    monkeypatch.delenv("THRIFTNAS_CACHE", raising=False)
    monkeypatch.setattr(caches.tempfile, "gettempdir", lambda: str(tmp_path))
    caches._passing.cache_clear()
    yield
    caches._passing.cache_clear()


def nobody(*_):
    raise RuntimeError("Could not determine home directory.")


def test_the_variable_comes_first_and_then_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    assert user_cache("decoded", "THRIFTNAS_CACHE") == tmp_path / "home/.cache/thriftnas/decoded"
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "mine"))
    assert user_cache("decoded", "THRIFTNAS_CACHE") == tmp_path / "mine"


@pytest.mark.parametrize("lacks", ["a home", "the right to write"])
def test_without_a_home_caches_are_the_users_own_in_the_temporary_folder(monkeypatch, tmp_path, caplog, lacks):
    if lacks == "a home":
        monkeypatch.setattr(caches.Path, "home", nobody)
    else:
        monkeypatch.setattr(caches.os, "access", lambda *_: False)
    found = [user_cache("decoded", "THRIFTNAS_CACHE") for _ in range(2)]
    assert found == [tmp_path / f"thriftnas-{os.getuid()}" / "decoded"] * 2
    assert stat.S_IMODE(found[0].parent.stat().st_mode) == 0o700
    assert [record.message for record in caplog.records] == [
        f"no home folder can be written: caches are in {found[0].parent}, or where $THRIFTNAS_CACHE says"
    ]


def test_a_folder_that_others_may_write_is_not_trusted(monkeypatch, tmp_path):
    monkeypatch.setattr(caches.Path, "home", nobody)
    (tmp_path / f"thriftnas-{os.getuid()}").mkdir()
    (tmp_path / f"thriftnas-{os.getuid()}").chmod(0o777)
    found = user_cache("decoded", "THRIFTNAS_CACHE").parent
    assert found.name != f"thriftnas-{os.getuid()}"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
