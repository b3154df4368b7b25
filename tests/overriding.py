"""Commands that tests change: of an option that counts once, the last one stays."""

from collections.abc import Iterable

from zoo.cli import single_values


def overridden(words: Iterable[object]) -> list[str]:
    """The command without those options that a later one of the same name replaces, which are refused otherwise."""
    given = [str(word) for word in words]
    places = [(place, name) for place, name, _ in single_values(given)]
    last = {name: place for place, name in places}
    for place, name in reversed(places):
        if place != last[name]:
            del given[place]
    return given
