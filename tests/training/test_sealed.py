"""Files of tensors with a checksum: no damage gives other numbers, wherever it is."""

import io
import random
from typing import Any

import pytest
import torch

from zoo.training.checkpoint import read_tensors
from zoo.training.sealed import read_sealed, sealed_bytes

STATE = {
    "schema": 1,
    "facts": '{"classes": ["a", "b"]}',
    "weights": {f"layer {i}": torch.arange(40.0).reshape(5, 8) * (i + 1) / 7 for i in range(4)}
    | {"count": torch.tensor(3), "none": torch.zeros(0)},
}


def read(data: bytes) -> dict[str, Any]:
    return read_sealed(io.BytesIO(data), "file")


def same(state: dict[str, Any]) -> bool:
    return (
        {**state, "weights": 0} == {**STATE, "weights": 0}
        and list(state["weights"]) == list(STATE["weights"])
        and all(torch.equal(one, STATE["weights"][name]) for name, one in state["weights"].items())
    )


def flipped(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def zeroed(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes(min(64, len(data) - place)) + data[place + 64 :]


@pytest.mark.parametrize("damage", [flipped, zeroed])
def test_no_damage_gives_other_numbers(damage: Any) -> None:
    data, rng, said = sealed_bytes(STATE), random.Random(0), []
    assert same(read(data))
    for _ in range(300):
        try:
            state = read(damage(data, rng))
        except ValueError as error:
            said.append(str(error))
        else:
            assert same(state)
    assert len(said) > 150
    assert all(text.startswith("the file ") and "\n" not in text for text in said)


def test_other_content_with_whole_parts_is_found_by_the_checksum_of_all() -> None:
    """As where a damaged directory of the archive gives one part the name of another."""
    state = torch.load(io.BytesIO(sealed_bytes(STATE)), weights_only=True)
    weights = state["weights"]
    weights["layer 0"], weights["layer 1"] = weights["layer 1"], weights["layer 0"]
    buffer = io.BytesIO()
    torch.save(state, buffer)
    assert read_tensors(io.BytesIO(buffer.getvalue()), "file")["schema"] == 1
    with pytest.raises(ValueError, match="the file is damaged: its checksum is not that of what is in it"):
        read(buffer.getvalue())


def test_a_file_of_before_is_read_with_a_notice_and_its_parts_are_checked(caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    data = buffer.getvalue()
    assert same(read(data))
    assert "the file has no checksum of its own" in caplog.text
    place = data.index(STATE["weights"]["layer 2"].numpy().tobytes())
    with pytest.raises(ValueError, match="the checksum of its part"):
        read(data[: place + 9] + b"\x01" + data[place + 10 :])


def test_equal_states_give_equal_bytes() -> None:
    assert sealed_bytes(STATE) == sealed_bytes({**STATE, "weights": dict(STATE["weights"])})
