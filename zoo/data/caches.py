"""Caches: folders of the user's that may be lost at any time, where one may write."""

import logging
import os
import tempfile
from functools import cache
from pathlib import Path

_log = logging.getLogger("thriftnas")


def user_cache(part: str, variable: str) -> Path:
    """A folder for a part of the caches: the variable's, or one in the home's ``.cache``.

    One in the temporary folder where there is no home, as of a user without a name, or none that can be written; this
    is said once.
    """
    if named := os.environ.get(variable):
        return Path(named)
    try:
        usual = Path.home() / ".cache" / "thriftnas" / part
    except RuntimeError:  # there is no home
        return _passing(variable) / part
    return usual if _may_write(usual) else _passing(variable) / part


def _may_write(folder: Path) -> bool:
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    return existing is not None and existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


@cache
def _passing(variable: str) -> Path:
    """A folder of this user's alone: what lies in it is read as if it were right."""
    folder = Path(tempfile.gettempdir()) / f"thriftnas-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o022:
        folder = Path(tempfile.mkdtemp(prefix="thriftnas-"))
    _log.warning("no home folder can be written: caches are in %s, or where $%s says", folder, variable)
    return folder
