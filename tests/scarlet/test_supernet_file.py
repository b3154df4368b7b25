"""Supernet files: what is read back is what was written; what is damaged, foreign or dangerous is refused."""

import dataclasses
import io
import json
import pickle
import random

import pytest
import torch

from scarlet.supernet.file import TrainedSupernet, load_supernet, read_supernet, save_supernet, supernet_bytes


@pytest.fixture(scope="module")
def held(supernet):
    network = supernet("nas-bench-macro", dtype=torch.float32)
    return TrainedSupernet(
        network=network, classes=tuple("abcd"), mean=(0.1, 0.2, 0.3), std=(0.4,) * 3, notes={"data": "f00", "epochs": 3}
    )


def test_a_supernet_survives_its_file(held, tmp_path):
    save_supernet(held, tmp_path / "supernet.pt")
    read, digest = load_supernet(tmp_path / "supernet.pt")
    for name in ("classes", "mean", "std", "notes"):
        assert getattr(read, name) == getattr(held, name)
    assert (read.network.form, read.network.skeleton) == (held.network.form, held.network.skeleton)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(read.network(x, [0, 1, 2, 1, 0, 2, 2, 1]), held.network(x, [0, 1, 2, 1, 0, 2, 2, 1]))
    assert supernet_bytes(read) == supernet_bytes(held)
    assert len(digest) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["supernet.pt"]


class Bomb:
    def __reduce__(self):
        return (print, ("code was run",))


def changed(data, **facts):
    """The file with other facts; it is one of before there were checksums."""
    state = torch.load(io.BytesIO(data), weights_only=True)
    del state["sha256"]
    state["supernet"] = json.dumps(json.loads(state["supernet"]) | facts)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def test_a_truncated_file_and_one_with_code_are_refused(held, capsys):
    data = supernet_bytes(held)
    buffer = io.BytesIO()
    torch.save({"schema": 1, "supernet": "{}", "weights": Bomb()}, buffer)
    with pytest.raises(ValueError, match="cannot be read safely"):
        read_supernet(buffer.getvalue())
    for wrong in (b"", data[: len(data) // 2], data[:-100], b"junk" * 100, pickle.dumps(Bomb())):
        with pytest.raises(ValueError, match="cannot be read safely: it is no such file, or not the whole of one"):
            read_supernet(wrong)  # a warning of torch's would be a second line
    assert capsys.readouterr().out == ""


def test_other_spaces_schemas_and_facts_are_refused(held):
    data = supernet_bytes(held)
    form = dataclasses.asdict(held.network.form)
    for facts, text in (
        (
            {"form": form | {"space": "scarlet-s1-cifar"}},
            "damaged supernet file: its weights are of another supernet than one of 'scarlet-s1-cifar': [A-Z]",
        ),
        ({"form": form | {"space": "nowhere"}}, "unknown chain space"),
        ({"form": form | {"surplus": 1}}, "damaged"),
        ({"classes": ["a"]}, "do not fit"),
        ({"skeleton": {}}, "damaged"),
    ):
        with pytest.raises(ValueError, match=text):
            read_supernet(changed(data, **facts))
    broken = torch.load(io.BytesIO(data), weights_only=True)
    del broken["sha256"]
    broken["weights"]["layers.3.1.project.weight"].fill_(float("nan"))  # fused kernels hide them: max(nan, 0) is 0
    buffer = io.BytesIO()
    torch.save(broken, buffer)
    with pytest.raises(ValueError, match="no finite numbers"):
        read_supernet(buffer.getvalue())
    buffer = io.BytesIO()
    torch.save({"schema": 2}, buffer)
    with pytest.raises(ValueError, match="not a supernet file of schema 1"):
        read_supernet(buffer.getvalue(), "file")


def test_a_flipped_bit_is_found_and_an_old_file_is_read_with_a_notice(held, caplog):
    data = supernet_bytes(held)
    rng, said = random.Random(1), []
    for _ in range(30):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            read = read_supernet(bytes(damaged))
        except ValueError as error:
            said.append(str(error))
        else:  # where no content is
            assert supernet_bytes(read) == data
    assert len(said) > 15
    assert not [text for text in said if "\n" in text]
    assert caplog.text == ""
    assert supernet_bytes(read_supernet(changed(data), "old.pt")) == data
    assert caplog.text.count("the supernet old.pt has no checksum of its own") == 1
