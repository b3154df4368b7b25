"""The log of a command: one line per event on standard error, with its moment and level, from a level on."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

OPTION, VARIABLE = "--log-level", "THRIFTNAS_LOG_LEVEL"
LEVELS = ("debug", "info", "warning", "error")
LOGGERS = ("thriftnas", "zoo")


def split_level(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], str]:
    """The words of a command without the option in front of them, and the level it or the environment names.

    Raises:
        ValueError: for a level that does not exist.
    """
    level, given = environment.get(VARIABLE, ""), list(arguments)
    while given and given[0].partition("=")[0] == OPTION:
        name, equals, value = given.pop(0).partition("=")
        level = value if equals else given.pop(0) if given else ""
        if not level:
            raise ValueError(f"{name} needs a level: {', '.join(LEVELS)}")
    if level and level not in LEVELS:
        raise ValueError(f"log level: expected {', '.join(LEVELS)}, got {level!r}")
    return given, level


@contextmanager
def events_logged(level: str) -> Iterator[None]:
    """Meanwhile every event of this level or above is a line; an empty level leaves everything as it is."""
    if not level:
        yield
        return
    handler = _Lines()
    handler.setFormatter(_Formatter())
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level.upper())
    try:
        yield
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(was)


class _Lines(logging.Handler):
    """Writes to what standard error is at that moment: a bar may have taken it over."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


class _Formatter(logging.Formatter):
    """One line whatever the message holds: names come from users and from other machines."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        text = " ".join(record.getMessage().split())
        return f"{moment} {record.levelname.lower()} " + "".join(c if c.isprintable() else "?" for c in text)
