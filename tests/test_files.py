"""Files appear whole or not at all, and a failure leaves nothing behind."""

import os
from pathlib import Path

import pytest

from zoo import files
from zoo.files import draft, write_bytes, write_json, write_text


def test_what_is_written_is_read_back_and_nothing_else_is_there(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"1\r\n2", sync=True)
    write_text(tmp_path / "b", "ρ\n")
    write_json(tmp_path / "c", {"one": [1]})
    assert (tmp_path / "a").read_bytes() == b"1\r\n2"
    assert (tmp_path / "b").read_bytes() == "ρ\n".encode()
    assert (tmp_path / "c").read_text() == '{\n  "one": [\n    1\n  ]\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_an_interrupted_draft_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")

    def interrupted(shared: str) -> None:
        with draft(tmp_path / "a", shared=shared) as new:
            new.file.write(b"half of the new")
            raise KeyboardInterrupt

    for shared in ("", ".partial-"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(shared)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert (tmp_path / "a").read_text() == "old"


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    with draft(tmp_path / "a") as new:
        new.file.write(b"some")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"some"


def test_a_name_may_follow_from_what_was_written(tmp_path: Path) -> None:
    with draft(tmp_path / "unknown", shared=".partial-", sync=True) as new:
        new.file.write(b"some")
        new.path = tmp_path / "known"
    assert [path.name for path in tmp_path.iterdir()] == ["known"]


def test_what_cannot_be_written_is_an_os_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "absent" / "a", "text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path / "folder", "text")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "b", b"1", sync=True)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "c", float("nan"))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_files_that_others_may_read_stay_readable_to_them(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_on_the_disk_before_another_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    mkdir = Path.mkdir
    monkeypatch.setattr(files, "sync_folder", calls.append)
    monkeypatch.setattr(Path, "mkdir", lambda self, **how: (calls.append(self), mkdir(self, **how))[1])
    made = tmp_path / "a" / "b"
    files.make_folder(made)
    assert calls == [tmp_path.parent, made.parent, tmp_path, made, made.parent, made]
    calls.clear()
    files.make_folder(made)
    assert calls == [made.parent, made], "the name of one that is there: who made it may have been killed"
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "file")
