"""Files written whole or not at all: a reader never sees half of one, and a failure leaves nothing behind."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file under another name first, then give it its own.

    Args:
        path: of the file; what was there is replaced.
        content: of the file.
        sync: whether to wait until the disk has it.

    Raises:
        OSError: if it cannot be written; nothing is left and nothing is replaced then.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file; as :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, data: Any) -> None:
    """Write JSON; as :func:`write_bytes`."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")
