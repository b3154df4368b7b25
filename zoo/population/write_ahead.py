"""The write-ahead log of a journal: whether all that was committed to it can still be read.

SQLite reads it up to the first frame whose checksum is wrong, and says nothing of what follows. Format: "WAL-mode File
Format", https://sqlite.org/walformat.html.
"""

import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER, _FRAME = 32, 24  # bytes, without a frame's page
_MAGIC = 0x377F0682  # and 1 more where checksums are of big-endian words


@dataclass(frozen=True, slots=True)
class WriteAhead:
    """What the log says of itself, before SQLite has read it.

    Attributes:
        commits: the number of the last frame that ends a commit, counted from 1; 0: none.
        sound: whether its header is what was written.
    """

    commits: int
    sound: bool

    @classmethod
    def look(cls, path: Path) -> "WriteAhead | None":
        """At the log of a journal; None where there is none.

        Frames of before the log was begun anew have other salts than its header.
        """
        log = path.with_name(f"{path.name}-wal")
        if not log.is_file() or log.stat().st_size < _HEADER:
            return None
        with log.open("rb") as file:
            header = file.read(_HEADER)
            page, salts = struct.unpack(">I", header[8:12])[0], header[16:24]
            if not _is_sound(header) or not page:
                return cls(0, False)
            number, last = 0, 0
            while len(frame := file.read(_FRAME)) == _FRAME:
                number += 1
                if frame[8:16] == salts and frame[4:8] != bytes(4):  # the database's size, which ends a commit
                    last = number
                file.seek(page, 1)
        return cls(last, True)

    def lost(self, db: sqlite3.Connection) -> str:
        """What of it SQLite cannot read, in one line; empty where it reads everything."""
        (_, read, _) = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self.sound and read >= self.commits:
            return ""
        what = "its last commits are lost" if self.sound else "whatever it held is lost"
        return f"the journal's write-ahead log is damaged: {what}, and their trials are measured again"


def _is_sound(header: bytes) -> bool:
    magic = struct.unpack(">I", header[:4])[0]
    if magic & ~1 != _MAGIC:
        return False
    words = struct.unpack(">6I" if magic & 1 else "<6I", header[:24])
    first = second = 0
    for i in range(0, 6, 2):
        first = (first + words[i] + second) % 2**32
        second = (second + words[i + 1] + first) % 2**32
    return struct.pack(">2I", first, second) == header[24:]
